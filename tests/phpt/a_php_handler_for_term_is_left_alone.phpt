--TEST--
Who takes TERM after install() keeps it
--EXTENSIONS--
rustdaemon
ffi
pcntl
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    pcntl_async_signals(true);
    $worker = RustDaemon\Worker::install();
    pcntl_signal(SIGTERM, function () {
        echo "TERM is mine\n";
    });
    register_shutdown_function(fn () => print "shutdown\n");
    var_dump($worker->tick(null), $worker->shouldStop());
    $worker->expose('ready', fn () => 'again');
    $worker->run();
    PHP);
$sidecar->ready();
$sidecar->signal(15);
$sidecar->ready();
$sidecar->signal(2);
$sidecar->end();
?>
--EXPECT--
out: TERM is mine
out: bool(true)
out: bool(false)
out: shutdown
exit 0
