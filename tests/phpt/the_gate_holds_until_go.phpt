--TEST--
install() returns only when the sidecar says go, and defaults are not compared
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::start(<<<'PHP'
    echo "booted\n";
    $worker = RustDaemon\Worker::install();
    echo "in as $worker->name#$worker->slot, generation $worker->generation\n";
    echo RustDaemon\Worker::install() === $worker ? "the same\n" : "another\n";
    PHP);
echo json_encode(array_diff_key($sidecar->hello(), ['pid' => 1, 'php' => 1, 'extension' => 1])), "\n";
var_dump(readable((new ReflectionProperty($sidecar, 'input'))->getValue($sidecar), microtime(true) + 0.05));
$sidecar->go();
$sidecar->end();
?>
--EXPECT--
{"magic":"RDLK","lowest":1,"highest":5,"name":null,"socket":null,"mode":null,"workers":null}
bool(false)
out: booted
out: in as pool#3, generation 2
out: the same
exit 0
