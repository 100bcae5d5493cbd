--TEST--
An uncaught exception in a child goes to set_exception_handler(): the code is 255 unless that exits with another
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--INI--
display_errors=1
log_errors=0
html_errors=0
--FILE--
<?php
use RustDaemon\Process;

$throw = fn () => throw new RuntimeException('thrown');
set_exception_handler(function (Throwable $e): void {
    echo 'handler: ', $e->getMessage(), ', frames below: ', count(debug_backtrace()) - 1, "\n";
});
$end = fn (string $what, callable $main) => printf("%s: %d\n", $what, Process::fork($main)->wait()->code);
$end('a handler', $throw);
$end('a handler and a shutdown function', function () use ($throw): void {
    register_shutdown_function(fn () => print "shutdown function\n");
    $throw();
});
$end('a shutdown function that exits', function () use ($throw): void {
    register_shutdown_function(fn () => exit(8));
    $throw();
});
set_exception_handler(fn () => exit(4));
$end('a handler that exits', $throw);
set_exception_handler(fn () => throw new LogicException('thrown by the handler'));
$end('a handler that throws', $throw);
set_exception_handler(null);
$end('a handler of its own', function () use ($throw): void {
    set_exception_handler(fn (Throwable $e) => print "its own: {$e->getMessage()}\n");
    $throw();
});
?>
--EXPECTF--
handler: thrown, frames below: 0
a handler: 255
handler: thrown, frames below: 0
shutdown function
a handler and a shutdown function: 255
handler: thrown, frames below: 0
a shutdown function that exits: 8
a handler that exits: 4

Fatal error: Uncaught LogicException: thrown by the handler in %s:%d
Stack trace:
#0 [internal function]: {closure%S}(Object(RuntimeException))
#1 {main}
  thrown in %s on line %d
a handler that throws: 255
its own: thrown
a handler of its own: 255
