--TEST--
A request reaches its handler, and the reply its client
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::start(<<<'PHP'
    $worker = RustDaemon\Worker::install(name: 'pool', socket: '/run/x.sock', mode: '0660', workers: 4);
    $worker->expose('add', fn (int $a, int $b = 10) => $a + $b, 'Adds.', true);
    $worker->expose('who', fn () => [$worker->name, $worker->slot, $worker->generation, $worker->supervised()]);
    exit($worker->run());
    PHP);
$hello = $sidecar->hello();
echo $hello['magic'], ' ', $hello['lowest'], ' ', $hello['highest'], "\n";
var_dump($hello['pid'] > 0, $hello['php'] === PHP_VERSION, $hello['extension'] === phpversion('rustdaemon'));
echo json_encode(array_intersect_key($hello, ['name' => 1, 'socket' => 1, 'mode' => 1, 'workers' => 1])), "\n";
$sidecar->go();
echo json_encode($sidecar->ready()), "\n";
echo json_encode($sidecar->page()), "\n";
echo $sidecar->call('add', '[1]'), "\n";
echo $sidecar->call('add', '[1,2]'), "\n";
echo $sidecar->call('add', '{"b":3,"a":2}'), "\n";
echo $sidecar->call('who', '[]'), "\n";
echo $sidecar->call('who', '{}'), "\n";
echo $sidecar->call('nobody', '[]'), "\n";
$sidecar->drain();
$sidecar->end();
echo json_encode($sidecar->page()), "\n";
?>
--EXPECT--
RDLK 1 5
bool(true)
bool(true)
bool(true)
{"name":"pool","socket":"\/run\/x.sock","mode":432,"workers":4}
[{"name":"add","description":"Adds.","idempotent":true},{"name":"who","idempotent":false}]
{"request":0,"served":0}
data 11
data 3
data 5
data ["pool",3,2,true]
data ["pool",3,2,true]
fault {"class":"unknown_method","message":"this worker does not offer the method"}
exit 0
{"request":0,"served":6}
