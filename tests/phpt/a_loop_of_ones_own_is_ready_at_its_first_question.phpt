--TEST--
shouldStop() says ready when nothing is exposed; methods exposed later are announced
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    while (!$worker->shouldStop()) {
        usleep(1000);
    }
    echo "stopped\n";
    PHP);
echo json_encode($sidecar->ready()), "\n";
$sidecar->drain();
$sidecar->end();

$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->expose('one', function () use ($worker) {
        $worker->expose('two', fn () => 2, 'Two.');
        return 1;
    });
    while (!$worker->shouldStop()) {
        $worker->tick(null);
    }
    PHP);
echo json_encode($sidecar->ready()), "\n";
echo $sidecar->call('one', '[]'), "\n";
echo json_encode($sidecar->ready()), "\n";
echo $sidecar->call('two', '[]'), "\n";
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
[]
out: stopped
exit 0
[{"name":"one","idempotent":false}]
data 1
[{"name":"one","idempotent":false},{"name":"two","description":"Two.","idempotent":false}]
data 2
exit 0
