--TEST--
The sidecar's end is a stop, said in one line
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
foreach (['$worker->run()', '$worker->tick(null)', '$worker->shouldStop()'] as $way) {
    $sidecar = Sidecar::serve(<<<PHP
        \$worker = RustDaemon\\Worker::install();
        while (\$worker->tick(0.0) && \$worker->supervised()) {
        }
        var_dump($way, \$worker->supervised(), \$worker->run(), \$worker->tick(5.0));
        PHP);
    $sidecar->ready();
    $sidecar->hangUp();
    $sidecar->end();
}
$sidecar = Sidecar::serve('echo RustDaemon\Worker::install()->run(), "\n";');
$sidecar->ready();
$sidecar->send(99, 0, 0, 'what?');
$sidecar->end();
?>
--EXPECT--
out: int(0)
out: bool(false)
out: int(0)
out: bool(false)
err: rustdaemon: the sidecar has gone: this worker stops
exit 0
out: bool(false)
out: bool(false)
out: int(0)
out: bool(false)
err: rustdaemon: the sidecar has gone: this worker stops
exit 0
out: bool(true)
out: bool(false)
out: int(0)
out: bool(false)
err: rustdaemon: the sidecar has gone: this worker stops
exit 0
out: 0
err: rustdaemon: the link to the sidecar is broken (a frame of unknown kind 99): this worker stops
exit 0
