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
    while ($worker->tick(10.0)) {
        echo json_encode($served), "\n";
    }
    PHP);
$sidecar->ready();
$first = $sidecar->request('note', '[1]');
$second = $sidecar->request('note', '[2]');
echo $sidecar->reply($first), ' ', $sidecar->reply($second), "\n";
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
data null data null
out: bool(true)
out: array(1) {
out:   [0]=>
out:   int(1)
out: }
out: [1,2]
exit 0
