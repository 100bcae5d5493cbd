--TEST--
An exception handler that forks is not called for what its child throws: that is uncaught, and the chain ends there
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

$throw = fn () => throw new RuntimeException('the mail server is down');
$calls = fn (Throwable $e) => print "handler: {$e->getMessage()}\n";
$report = function (Throwable $e) use ($throw, $calls): void {
    $calls($e);
    if ($e->getMessage() !== 'of the script') {
        exit(99);                                   // a chain of processes would begin here
    }
    $end = fn (string $what, callable $main) => printf("%s: %d\n", $what, Process::fork($main)->wait()->code);
    $end('its child', $throw);
    $fiber = new Fiber(fn () => $end('in a fiber', $throw));
    $fiber->start();
    $end('a grandchild', fn () => Process::fork($throw)->wait()->code);
    $end('a handler of its own', function () use ($throw, $calls): void {
        set_exception_handler($calls);
        $throw();
    });
    set_exception_handler($calls);
};
set_exception_handler($report);
// Outside of the handler it is called, also in a fiber.
$fiber = new Fiber(fn () => Process::fork(fn () => throw new Exception('in a fiber'))->wait()->code);
$fiber->start();
echo 'before: ', $fiber->getReturn(), "\n";
throw new Exception('of the script');
?>
--EXPECTF--
handler: in a fiber
before: 99
handler: of the script

Fatal error: Uncaught RuntimeException: the mail server is down in %s
Stack trace:
%A
  thrown in %s on line %d
its child: 255

Fatal error: Uncaught RuntimeException: the mail server is down in %s
Stack trace:
%A
  thrown in %s on line %d
in a fiber: 255

Fatal error: Uncaught RuntimeException: the mail server is down in %s
Stack trace:
%A
  thrown in %s on line %d
a grandchild: 255
handler: the mail server is down
a handler of its own: 255
