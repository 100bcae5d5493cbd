--TEST--
After exit() in a handler a shutdown function cannot serve the next request
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->expose('exit', fn () => exit(3));
    $worker->expose('next', fn () => print "served\n");
    register_shutdown_function(function () use ($worker) {
        var_dump($worker->shouldStop(), $worker->tick(5.0), $worker->run());
    });
    $worker->run();
    PHP);
$sidecar->ready();
$sidecar->together(function (Sidecar $sidecar): void {
    $sidecar->request('exit', '[]');
    $sidecar->request('next', '[]');
});
$sidecar->end();
?>
--EXPECT--
out: bool(true)
out: bool(false)
out: int(0)
exit 3
