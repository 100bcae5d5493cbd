--TEST--
onMessage gets name and payload, all callbacks in order, between two requests; the sender is answered when they have returned
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $say = function (string $name, mixed $payload) use ($worker): int {
        echo $name, ' ', json_encode($payload), ' ', json_encode(RustDaemon\Request::current()), "\n";
        return 7;
    };
    var_dump($worker->onMessage($say) === $worker);
    $worker->onMessage(function (string $name) use ($worker) {
        echo "second callback: $name\n";
        if ($name === 'more') {
            $worker->onMessage(fn (string $name, ?int $payload) => print "third callback: $name\n");
        }
        return new class {
            public function __destruct() { echo "result freed\n"; }
        };
    });
    $worker->expose('m', function () { echo "request\n"; });
    $worker->run();
    PHP);
$sidecar->ready();
echo $sidecar->call('worker.send', '["a",{"list":[1,2.5,"\u00e9"],"none":null}]', Sidecar::JSON_RPC), "\n";
$numbers = [];
$sidecar->together(function (Sidecar $sidecar) use (&$numbers) {
    $numbers[] = $sidecar->request('worker.send', '["b",null]');
    $numbers[] = $sidecar->request('m', '[]');
    $numbers[] = $sidecar->request('worker.send', '["more",12]');
    $numbers[] = $sidecar->request('worker.send', '["c",13]');
});
foreach ($numbers as $number) {
    echo $sidecar->reply($number), "\n";
}
$sidecar->drain();
$sidecar->end();
echo json_encode($sidecar->page()), "\n";
?>
--EXPECT--
data null
data null
data null
data null
data null
out: bool(true)
out: a {"list":[1,2.5,"\u00e9"],"none":null} null
out: second callback: a
out: result freed
out: b null null
out: second callback: b
out: result freed
out: request
out: more 12 null
out: second callback: more
out: result freed
out: third callback: more
out: c 13 null
out: second callback: c
out: result freed
out: third callback: c
exit 0
{"request":0,"served":5}
