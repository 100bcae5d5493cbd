--TEST--
Where a parent has many objects a child that gives them up ends none of them, and ends its own
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\Process;

class Loud
{
    public ?object $other = null;
    public function __construct(private string $name) {}
    public function __destruct() { echo getmypid() === PARENT ? 'parent' : 'child', " destructs $this->name\n"; }
}
final class LoudList extends ArrayObject
{
    public function __destruct() { echo getmypid() === PARENT ? 'parent' : 'child', " destructs a list\n"; }
}
final class LoudError extends Exception
{
    public function __destruct() { echo getmypid() === PARENT ? 'parent' : 'child', " destructs an error\n"; }
}
define('PARENT', getmypid());
$file = tempnam(sys_get_temp_dir(), 'rd');
$many = array_map(fn (int $i) => (object) ['i' => $i], range(1, 20_000));
$loud = new Loud('one of many');
$cycle = new Loud('a cycle');
$cycle->other = $cycle;
$cycle = null;
$list = new LoudList([1]);
$error = new LoudError('parent');
$generator = (function () {
    try {
        yield 1;
    } finally {
        echo "the finally block of a generator\n";
    }
})();
$generator->current();
$open = new SplFileObject($file, 'w');
$main = function () use ($file): int {
    foreach (['many', 'loud', 'list', 'error', 'generator', 'open'] as $name) {
        $GLOBALS[$name] = null;
    }
    gc_collect_cycles();
    $local = new Loud('its local');
    unset($local);
    $own = new Loud('its cycle');
    $own->other = new ArrayObject([$own]);
    $own = null;
    gc_collect_cycles();
    $GLOBALS['loud'] = new Loud('its global');
    $GLOBALS['list'] = new LoudList();
    (function () {
        try {
            yield 1;
        } finally {
            echo "the finally block of its generator\n";
        }
    })()->current();
    for ($i = 0; $i < 50_000; $i++) {
        $GLOBALS['many'][$i % 100] = new ArrayObject([$i]);
    }
    return count($GLOBALS['many']);
};
printf("code %d\n", Process::fork($main)->wait()->code);
printf("grandchild: %d\n", Process::fork(fn () => Process::fork($main)->wait()->code)->wait()->code);
// A fatal error marks all objects as destructed: they stay all the same, and its own shutdown functions run.
$end = Process::fork(function () use ($main): void {
    error_reporting(0);
    register_shutdown_function(function (): void {
        foreach (['many', 'loud', 'list', 'error', 'generator', 'open'] as $name) {
            $GLOBALS[$name] = null;
        }
        gc_collect_cycles();
        $GLOBALS['loud'] = new Loud('its global');
    });
    trigger_error('fatal', E_USER_ERROR);
})->wait();
echo 'after a fatal error: ', $end->code, "\n";
echo count($many), ' of the parent, ', $open->fwrite('still open'), " bytes\n";
unset($many, $loud, $list, $error, $generator, $open);
gc_collect_cycles();
unlink($file);
?>
--EXPECT--
child destructs its local
child destructs its cycle
the finally block of its generator
child destructs its global
child destructs a list
code 100
child destructs its local
child destructs its cycle
the finally block of its generator
child destructs its global
child destructs a list
grandchild: 100
child destructs its global
after a fatal error: 255
20000 of the parent, 10 bytes
parent destructs one of many
parent destructs a list
parent destructs an error
the finally block of a generator
parent destructs a cycle
