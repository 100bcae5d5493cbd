--TEST--
Drain ends run() after the request before it; the next tick() returns false
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->expose('echo', fn (string $x) => $x);
    $turns = [];
    do {
        $turns[] = $go = $worker->tick(10.0);
    } while ($go);
    echo json_encode($turns), ' ', json_encode($worker->shouldStop()), "\n";
    PHP);
$sidecar->ready();
echo $sidecar->call('echo', '["a"]'), "\n";
$sidecar->together(function (Sidecar $sidecar): void {
    $sidecar->request('echo', '["b"]');
    $sidecar->drain();
});
echo $sidecar->reply(), "\n";
$sidecar->end();
?>
--EXPECT--
data "a"
data "b"
out: [true,true,false] true
exit 0
