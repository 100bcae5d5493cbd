--TEST--
tick() serves one request, and none after its timeout
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $served = [];
    $worker->expose('note', function (int $x) use (&$served) {
        $served[] = $x;
    });
    var_dump($worker->tick(0.0), $served);
    $worker->expose('other', fn () => 0); // announced by the next tick()
    while ($worker->tick(10.0)) {
        echo json_encode($served), "\n";
    }
    PHP);
$sidecar->ready();
$sidecar->ready();
$sidecar->together(function (Sidecar $sidecar): void {
    $sidecar->request('note', '[1]');
    $sidecar->request('note', '[2]');
});
echo $sidecar->reply(1), ' ', $sidecar->reply(2), "\n";
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
data null data null
out: bool(true)
out: array(0) {
out: }
out: [1]
out: [1,2]
exit 0
