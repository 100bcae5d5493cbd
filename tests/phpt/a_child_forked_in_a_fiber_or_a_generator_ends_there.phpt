--TEST--
A child that is forked inside a fiber or a generator is no part of it: nothing goes on twice
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\Process;

$fiber = new Fiber(function (): string {
    $process = Process::fork(function (): int {
        try {
            Fiber::suspend('from a child');
        } catch (FiberError $e) {
            echo 'child: ', $e->getMessage(), "\n";
        }
        $own = new Fiber(fn () => Fiber::suspend('its own fiber') . ' works');
        echo 'child: ', $own->start();
        $own->resume(', resumed,');
        echo $own->getReturn(), ', ', json_encode(Fiber::getCurrent()), "\n";
        return 3;
    });
    $code = $process->wait()->code;
    echo "fiber: code $code\n";
    $sent = Fiber::suspend('suspended');
    echo "fiber: $sent\n";
    return 'done';
});
$first = $fiber->start();
echo "main: $first\n";
$fiber->resume('resumed');
echo 'main: ', $fiber->getReturn(), "\n";

$generator = (function () use (&$generator) {
    try {
        yield 1;
        $process = Process::fork(function () use (&$generator): int {
            try {
                $generator->next();
            } catch (Error $e) {
                echo 'child: ', $e->getMessage(), "\n";
            }
            foreach ((fn () => yield from [1, 2])() as $value) {
                echo "child: $value\n";
            }
            return 4;
        });
        yield $process->wait()->code;
    } finally {
        echo "generator: finally\n";
    }
})();
foreach ($generator as $value) {
    echo "main: $value\n";
}
// An exit in a child leaves the child alone, through all the frames that it has copied.
$deep = function (int $depth) use (&$deep): int {
    try {
        return $depth === 0 ? Process::fork(fn () => exit(5))->wait()->code : $deep($depth - 1);
    } finally {
        if ($depth === 3) {
            echo "outermost: finally\n";
        }
    }
};
echo $deep(3), "\n";
?>
--EXPECT--
child: Cannot suspend outside of a fiber
child: its own fiber, resumed, works, null
fiber: code 3
main: suspended
fiber: resumed
main: done
main: 1
child: Cannot resume an already running generator
child: 1
child: 2
main: 4
generator: finally
outermost: finally
5
