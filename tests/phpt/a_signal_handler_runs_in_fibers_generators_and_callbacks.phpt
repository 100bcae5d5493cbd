--TEST--
Handlers run wherever PHP code runs: fibers, generators, destructors, sorts, output callbacks, included files
--EXTENSIONS--
rustdaemon
--FILE--
<?php
use RustDaemon\{Signal, SignalInfo};

$where = '';
Signal::on('USR1', function () use (&$where): void {
    fwrite(STDOUT, "in $where\n");
});
$send = function (string $place) use (&$where): void {
    $where = $place;
    Signal::send(getmypid(), 'USR1');
};
$fiber = new Fiber(function () use ($send): void {
    $send('a fiber');
    Fiber::suspend();
    $send('a resumed fiber');
});
$fiber->start();
$fiber->resume();
$generator = (function () use ($send): Generator {
    $send('a generator');
    yield 1;
    $send('a resumed generator');
    yield from (function () use ($send): Generator {
        $send('a generator in a generator');
        yield 2;
    })();
})();
foreach ($generator as $ignored) {
}
final class Guard
{
    public ?stdClass $self = null;

    public function __construct(private Closure $send)
    {
    }

    public function __destruct()
    {
        ($this->send)('a destructor');
    }
}
new Guard($send);
$cycle = new Guard($send);
$cycle->self = new stdClass();
$cycle->self->back = $cycle;
unset($cycle);
gc_collect_cycles();
$list = [3, 1, 2];
$sent = 0;
usort($list, function (int $a, int $b) use ($send, &$sent): int {
    $sent++ === 0 && $send('a sort');
    return $a <=> $b;
});
echo implode(' ', $list), "\n";
preg_replace_callback('/x/', fn () => $send('a pattern'), 'x');
eval('$send("evaluated code");');
array_map($send, ['a mapped array']);
ob_start(function (string $text) use ($send): string {
    $send('an output callback');
    return strtoupper($text);
});
echo "text\n";
ob_end_flush();
set_error_handler(fn () => $send('an error handler'));
echo $undefined ?? 'undefined', "\n";
trigger_error('warning', E_USER_WARNING);
// What a handler may not: leave the fiber that it has interrupted.
Signal::on('USR1', function (): void {
    try {
        Fiber::suspend();
    } catch (FiberError $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }
    $own = new Fiber(fn () => print "not started\n");
    try {
        $own->start();
    } catch (FiberError $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }
});
$fiber = new Fiber(function (): void {
    Signal::send(getmypid(), 'USR1');
    echo 'suspends by itself: ', Fiber::suspend('ok'), "\n";
});
echo $fiber->start(), "\n";
$fiber->resume('ok');
$fiber = new Fiber(fn () => Signal::critical(fn () => Fiber::suspend()));
try {
    $fiber->start();
} catch (FiberError $e) {
    echo 'in a section: ', $e->getMessage(), "\n";
}
?>
--EXPECT--
in a fiber
in a resumed fiber
in a generator
in a resumed generator
in a generator in a generator
in a destructor
in a destructor
in a sort
1 2 3
in a pattern
in evaluated code
in a mapped array
in an output callback
TEXT
undefined
in an error handler
FiberError: Cannot switch fibers in current execution context
FiberError: Cannot switch fibers in current execution context
suspends by itself: ok
ok
in a section: Cannot switch fibers in current execution context
