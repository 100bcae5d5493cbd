--TEST--
What a callback throws leaves the loop; a worker whose onStart failed is not ready
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->onStart(fn () => throw new LogicException('no PLC'))->onStart(fn () => print "not called\n");
    try {
        $worker->run();
    } catch (LogicException $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }
    PHP);
$sidecar->end();
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->onPause(fn () => throw new LogicException('not now'))->onStop(fn () => exit(7));
    try {
        $worker->run();
    } catch (LogicException $e) {
        echo $e->getMessage(), "\n";
    }
    $worker->run();
    echo "not reached\n";
    PHP);
$sidecar->ready();
$sidecar->pause(); // acknowledged all the same: it is paused
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
out: LogicException: no PLC
exit 0
out: not now
exit 7
