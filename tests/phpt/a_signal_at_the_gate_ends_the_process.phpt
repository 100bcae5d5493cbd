--TEST--
TERM at the gate ends the process; a PHP signal handler runs there
--EXTENSIONS--
rustdaemon
ffi
posix
pcntl
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::start('RustDaemon\Worker::install(); echo "in\n";');
$sidecar->hello();
$sidecar->signal(15);
$sidecar->end();
$sidecar = Sidecar::start(<<<'PHP'
    pcntl_async_signals(true);
    pcntl_signal(SIGUSR1, fn () => print "USR1\n");
    pcntl_signal(SIGTERM, fn () => throw new Exception('TERM'));
    try {
        RustDaemon\Worker::install();
    } catch (Exception $e) {
        echo get_class($e), ' ', $e->getMessage(), "\n";
    }
    PHP);
$sidecar->hello();
$sidecar->signal(10);
$sidecar->signal(15);
$sidecar->end();
?>
--EXPECT--
killed by 15
out: USR1
out: Exception TERM
exit 0
