--TEST--
FLAT escapes slashes and Unicode, TYPED and JSON-RPC do not; floats as PHP writes them
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->expose('text', fn () => ["a/b" => "caf\u{e9} \u{1F600}", 'list' => [], 'object' => new stdClass()]);
    $worker->expose('floats', fn () => [1.0, 0.1 + 0.2, 1e100, -0.0, PHP_INT_MAX]);
    $worker->expose('null', function () {});
    $worker->expose('time', fn () => new class implements JsonSerializable {
        public function jsonSerialize(): mixed
        {
            return ['t' => 1];
        }
    });
    $worker->run();
    PHP);
$sidecar->ready();
foreach (['text', 'floats', 'null', 'time'] as $method) {
    foreach ([Sidecar::FLAT, Sidecar::TYPED, Sidecar::JSON_RPC] as $dialect) {
        echo $sidecar->call($method, '[]', $dialect), "\n";
    }
}
echo $sidecar->call('text', '[]', 9), "\n";
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
data {"a\/b":"caf\u00e9 \ud83d\ude00","list":[],"object":{}}
data {"a/b":"café 😀","list":[],"object":{}}
data {"a/b":"café 😀","list":[],"object":{}}
data [1,0.30000000000000004,1.0e+100,-0,9223372036854775807]
data [1,0.30000000000000004,1.0e+100,-0,9223372036854775807]
data [1,0.30000000000000004,1.0e+100,-0,9223372036854775807]
data null
data null
data null
data {"t":1}
data {"t":1}
data {"t":1}
fault {"class":"invalid_request","message":"a malformed frame: an unknown dialect"}
exit 0
