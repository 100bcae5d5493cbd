--TEST--
TERM and INT end an idle run(), which returns 0
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
foreach ([15, 2] as $signal) {
    $sidecar = Sidecar::serve(<<<'PHP'
        $worker = RustDaemon\Worker::install();
        var_dump($worker->run(), $worker->shouldStop(), $worker->supervised());
        PHP);
    $sidecar->ready();
    $sidecar->signal($signal);
    $sidecar->end();
}
?>
--EXPECT--
out: int(0)
out: bool(true)
out: bool(true)
exit 0
out: int(0)
out: bool(true)
out: bool(true)
exit 0
