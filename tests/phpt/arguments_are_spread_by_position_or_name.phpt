--TEST--
A list is passed by position, an object by name, nested objects as arrays
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    final class Plc
    {
        public function read(string $node, int $attribute = 13, ?array $more = null): array
        {
            return get_defined_vars();
        }
        public static function all(mixed ...$all): array
        {
            return $all;
        }
        public function __call(string $name, array $arguments): array
        {
            return [$name, $arguments];
        }
        public function __invoke(int|string $x): string
        {
            return get_debug_type($x);
        }
        public function offer(RustDaemon\Worker $worker): void
        {
            $worker->expose('private', [$this, 'secret'])->expose('first', $this->secret(...));
        }
        private function secret(int $x): int
        {
            return -$x;
        }
    }
    $worker = RustDaemon\Worker::install();
    $plc = new Plc();
    $plc->offer($worker);
    $worker->expose('read', [$plc, 'read'])->expose('all', 'Plc::all')->expose('magic', [$plc, 'anything'])
        ->expose('invoke', $plc)->expose('length', 'strlen')->expose('float', fn (float $x) => $x);
    $worker->run();
    PHP);
$calls = [
    ['read', '["ns=2;s=A"]'], ['read', '["a", 7]'], ['read', '{"node":"a"}'], ['read', '{"more":{"k":{"1":[{}]}},"node":"a"}'],
    ['read', ' [ "a" ] '], ['read', '["a",1,null,"too","many"]'], ['read', '["a","12"]'],
    ['all', '[1,2,3]'], ['all', '{"x":1,"y":2}'], ['all', '[]'], ['all', '{}'], ['all', ''],
    ['magic', '[1,{"a":null}]'], ['magic', '{"named":1}'],
    ['invoke', '[1]'], ['invoke', '["1"]'], ['private', '[5]'], ['first', '{"x":6}'],
    ['length', '["four"]'], ['length', '{"string":"four"}'],
    ['float', '[9007199254740993]'], ['float', '[18446744073709551615]'], ['float', '[1]'],
];
$sidecar->ready();
foreach ($calls as [$method, $arguments]) {
    echo $method, $arguments, ' ', $sidecar->call($method, $arguments), "\n";
}
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
read["ns=2;s=A"] data {"node":"ns=2;s=A","attribute":13,"more":null}
read["a", 7] data {"node":"a","attribute":7,"more":null}
read{"node":"a"} data {"node":"a","attribute":13,"more":null}
read{"more":{"k":{"1":[{}]}},"node":"a"} data {"node":"a","attribute":13,"more":{"k":{"1":[[]]}}}
read [ "a" ]  data {"node":"a","attribute":13,"more":null}
read["a",1,null,"too","many"] data {"node":"a","attribute":1,"more":null}
read["a","12"] data {"node":"a","attribute":12,"more":null}
all[1,2,3] data [1,2,3]
all{"x":1,"y":2} data {"x":1,"y":2}
all[] data []
all{} data []
all data []
magic[1,{"a":null}] data ["anything",[1,{"a":null}]]
magic{"named":1} data ["anything",{"named":1}]
invoke[1] data "int"
invoke["1"] data "string"
private[5] data -5
first{"x":6} data -6
length["four"] data 4
length{"string":"four"} data 4
float[9007199254740993] data 9007199254740992
float[18446744073709551615] data 1.8446744073709552e+19
float[1] data 1
exit 0
