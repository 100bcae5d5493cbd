--TEST--
A child destructs what it has made, and nothing of its parent's: neither when it gives it up nor at its end
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\Process;

final class Loud
{
    public ?Loud $other = null;
    public function __construct(private string $name) {}
    public function __destruct() { echo getmypid() === PARENT_PID ? 'parent' : 'child', " destructs $this->name\n"; }
}
final class Registry { public static ?Loud $loud = null; public static array $list = []; }

define('PARENT_PID', getmypid());
$global = new Loud('a global of the parent');
Registry::$loud = new Loud('a static of the parent');
Registry::$list = [new Loud('in a list of the parent')];
$cycle = new Loud('a cycle of the parent');
$cycle->other = $cycle;
$cycle = null;                                      // garbage that nobody has collected yet
register_shutdown_function(function () use (&$captured): void { echo "the parent's shutdown function\n"; });
$captured = new Loud('what a shutdown function of the parent holds');
register_shutdown_function(function () use ($captured): void {});
unset($captured);
$generator = (function () {
    try {
        yield 1;
    } finally {
        echo "the finally block of a generator\n";
    }
})();
$generator->current();
$fiber = new Fiber(function (): void {
    try {
        Fiber::suspend();
    } finally {
        echo "the finally block of a fiber\n";
    }
});
$fiber->start();
$end = Process::fork(function () use ($global): int {
    $local = new Loud('its local');
    $GLOBALS['own'] = new Loud('its global');
    $own = new Loud('its cycle');
    $own->other = $own;
    $own = null;
    gc_collect_cycles();
    $GLOBALS['global'] = $GLOBALS['generator'] = $GLOBALS['fiber'] = null;
    Registry::$loud = null;
    Registry::$loud = new Loud('what takes the place of one of the parent');
    Registry::$list = [];
    register_shutdown_function(fn () => print "the child's shutdown function\n");
    return 5;
})->wait();
echo "code $end->code\n";
?>
--EXPECT--
child destructs its cycle
child destructs its local
the child's shutdown function
child destructs its global
child destructs what takes the place of one of the parent
code 5
the parent's shutdown function
the finally block of a fiber
the finally block of a generator
parent destructs a global of the parent
parent destructs a static of the parent
parent destructs in a list of the parent
parent destructs a cycle of the parent
parent destructs what a shutdown function of the parent holds
