--TEST--
Strings of one byte, which are the engine's own, are not freed with the object that holds them
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::start(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->expose('m', fn () => RustDaemon\Request::current()->dialect);
    exit($worker->run());
    PHP);
$sidecar->hello();
$sidecar->go();
$sidecar->ready();
for ($request = 0; $request < 50; $request++) {
    $reply = $sidecar->call('m', '[]');
}
echo "$reply\n";
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
data "typed"
exit 0
