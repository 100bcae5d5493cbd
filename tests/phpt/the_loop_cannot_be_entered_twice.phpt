--TEST--
run() and tick() are refused from a handler; shouldStop() is not
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->expose('run', fn () => $worker->run());
    $worker->expose('tick', fn () => $worker->tick(0.0));
    $worker->expose('stop', fn () => $worker->shouldStop());
    $worker->expose('install', fn () => RustDaemon\Worker::install() === $worker);
    $worker->run();
    PHP);
$sidecar->ready();
foreach (['run', 'tick', 'stop', 'install'] as $method) {
    echo $sidecar->call($method, '[]'), "\n";
}
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
fault {"class":"NotAllowedHere","message":"RustDaemon\\Worker::run() cannot be called while a handler of this worker runs: one request at a time"}
fault {"class":"NotAllowedHere","message":"RustDaemon\\Worker::tick() cannot be called while a handler of this worker runs: one request at a time"}
data false
data true
err: rustdaemon: run threw RustDaemon\Exception\NotAllowedHere: RustDaemon\Worker::run() cannot be called while a handler of this worker runs: one request at a time in SCRIPT:3
err: rustdaemon: tick threw RustDaemon\Exception\NotAllowedHere: RustDaemon\Worker::tick() cannot be called while a handler of this worker runs: one request at a time in SCRIPT:4
exit 0
