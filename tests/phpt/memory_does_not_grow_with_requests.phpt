--TEST--
A thousand requests of every outcome leave the memory where it was
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->expose('echo', fn (array $x) => $x);
    $worker->expose('throw', fn (string $x) => throw new Exception($x));
    $worker->expose('nan', fn () => NAN);
    $worker->expose('memory', fn () => memory_get_usage());
    $worker->run();
    PHP);
$sidecar->ready();
$round = function () use ($sidecar): void {
    $sidecar->call('echo', '[{"a":[1,2,{"b":"c"}]}]');
    $sidecar->call('echo', '[1]');
    $sidecar->call('throw', '["x"]');
    $sidecar->call('nan', '{}');
    $sidecar->call('echo', 'broken');
    $sidecar->call('nobody', '[]');
};
$memory = fn (): int => (int) substr($sidecar->call('memory', '[]'), 5);
$round();
$round();
$memory();
$before = $memory();
for ($i = 0; $i < 170; $i++) {
    $round();
}
var_dump($memory() - $before);
$sidecar->drain();
ob_start();
$sidecar->end();
echo substr(strrchr(rtrim(ob_get_clean()), "\n"), 1), "\n";
?>
--EXPECT--
int(0)
exit 0
