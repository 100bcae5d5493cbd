--TEST--
A property of one character is the engine's own string, which an object does not free
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::start(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->expose('t', function (): void {
        RustDaemon\Request::current();
    });
    $worker->expose('sum', fn (): string => str_repeat('t', 3) . chr(116));
    $worker->run();
    PHP);
$sidecar->hello();
$sidecar->go(['version' => 5]);
$sidecar->readyFrame();
for ($n = 0; $n < 50; $n++) {
    $sidecar->request('t', '[]');
    $sidecar->receive();
}
$sidecar->request('sum', '[]');
echo $sidecar->receive()[3], "\n";
$sidecar->drain();
$sidecar->expect(14); // Leaving
$sidecar->end();
?>
--EXPECT--
"tttt"
exit 0
