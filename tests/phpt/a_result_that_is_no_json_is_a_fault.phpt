--TEST--
A result that cannot be encoded, or is too large, is a fault, and the worker lives on
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    ini_set('memory_limit', '256M');
    $worker = RustDaemon\Worker::install();
    $worker->expose('nan', fn () => [NAN]);
    $worker->expose('utf8', fn () => "\xFF");
    $worker->expose('recursion', function () {
        $a = [];
        $a[0] = &$a;
        return $a;
    });
    $worker->expose('deep', fn () => json_decode(str_repeat('[', 600) . str_repeat(']', 600), depth: 1000));
    $worker->expose('resource', fn () => STDIN);
    $worker->expose('throws', fn () => new class implements JsonSerializable {
        public function jsonSerialize(): mixed
        {
            throw new DomainException('not today');
        }
    });
    $worker->expose('large', fn (int $bytes) => str_repeat('x', $bytes));
    $worker->run();
    gc_collect_cycles(); // PHP's end looks for cycles only with --enable-debug
    PHP);
$sidecar->ready();
foreach (['nan', 'utf8', 'recursion', 'deep', 'resource', 'throws'] as $method) {
    echo $sidecar->call($method, '[]'), "\n";
}
echo strlen($sidecar->call('large', '[16777214]')), "\n";
echo $sidecar->call('large', '[16777215]'), "\n";
echo $sidecar->call('large', '[1]'), "\n";
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
fault {"class":"encoding_failed","message":"Inf and NaN cannot be JSON encoded"}
fault {"class":"encoding_failed","message":"Malformed UTF-8 characters, possibly incorrectly encoded"}
fault {"class":"encoding_failed","message":"Recursion detected"}
fault {"class":"encoding_failed","message":"Maximum stack depth exceeded"}
fault {"class":"encoding_failed","message":"Type is not supported"}
fault {"class":"DomainException","message":"not today"}
16777221
fault {"class":"payload_too_large","message":"the result has 16777217 bytes as JSON; at most 16777216 are sent"}
data "x"
err: rustdaemon: throws threw DomainException: not today in SCRIPT:16
exit 0
