--TEST--
Arguments and results of many pipe-fulls pass whole
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->expose('reverse', fn (string $text) => strrev($text));
    $worker->run();
    PHP, ['-d', 'memory_limit=256M']);
$sidecar->ready();
$text = random_bytes(1 << 20);
$text = bin2hex($text);
var_dump($sidecar->call('reverse', json_encode([$text])) === 'data ' . json_encode(strrev($text)));
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
bool(true)
exit 0
