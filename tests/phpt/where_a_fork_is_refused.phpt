--TEST--
A fork is refused in an output callback, in a destructor and with a generator function; a Process is made by fork() only, and is its parent's
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\{Exception, ExitStatus, Process};

$fork = function (): string {
    try {
        return (string) Process::fork(fn () => 0)->pid;
    } catch (Exception\NotAllowedHere $e) {
        return $e->getMessage();
    }
};
ob_start(fn (string $text): string => $fork() . "\n");
ob_end_flush();
class Held
{
    public function __construct(private Closure $fork) {}
    public function __destruct() { echo ($this->fork)(), "\n"; }
}
$object = new Held($fork);
unset($object);
$object = new class ($fork) extends DateTime {
    public function __construct(private Closure $fork) { parent::__construct(); }
    public function __destruct() { echo ($this->fork)(), "\n"; }
};
unset($object);
$generator = function () {
    echo "never\n";
    yield;
};
foreach (['fork', 'onFork'] as $method) {
    try {
        Process::$method($generator);
    } catch (Exception\InvalidArgument $e) {
        echo $e->getMessage(), "\n";
    }
}
foreach ([Process::class, ExitStatus::class] as $class) {
    try {
        new $class();
    } catch (Error $e) {
        echo $e->getMessage(), "\n";
    }
    echo json_encode((new ReflectionClass($class))->isFinal()), "\n";
}
$process = Process::fork(fn () => 0);
foreach ([fn () => $process->pid = 1, fn () => $process->other = 1, fn () => clone $process, fn () => serialize($process), fn () => $process->wait()->code = 1] as $change) {
    try {
        $change();
    } catch (Throwable $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }
}
$end = Process::fork(function () use ($process): void {
    try {
        $process->wait();
    } catch (Exception\NotAllowedHere $e) {
        echo $e->getMessage() === "process $process->pid is a child of the process that forked this one: only its parent can wait for it" ? 'ok' : $e->getMessage(), "\n";
    }
})->wait();
try {
    Process::fork('no_such_function');
} catch (TypeError $e) {
    echo $e->getMessage(), "\n";
}
register_shutdown_function(function (): void {
    register_shutdown_function(fn () => print "the parent's\n");
    echo 'in a shutdown function: ', Process::fork(fn () => 5)->wait()->code, "\n";
});
?>
--EXPECT--
Process::fork() cannot be called inside an output callback: call it before or after
Process::fork() cannot be called inside the destructor of Held: call it before or after
Process::fork() cannot be called inside the destructor of DateTime@anonymous: call it before or after
main: a generator function, of which a call runs nothing: give a function that iterates over what it makes
reset: a generator function, of which a call runs nothing: give a function that iterates over what it makes
Call to private RustDaemon\Process::__construct() from global scope
true
Call to private RustDaemon\ExitStatus::__construct() from global scope
true
Error: Cannot modify readonly property RustDaemon\Process::$pid
Error: Cannot create dynamic property RustDaemon\Process::$other
Error: Trying to clone an uncloneable object of class RustDaemon\Process
Exception: Serialization of 'RustDaemon\Process' is not allowed
Error: Cannot modify readonly property RustDaemon\ExitStatus::$code
ok
RustDaemon\Process::fork(): Argument #1 ($main) must be a valid callback, function "no_such_function" not found or invalid function name
in a shutdown function: 5
the parent's
