--TEST--
Without socket: no sidecar is looked for
--EXTENSIONS--
rustdaemon
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
run_php(<<<'PHP'
    $worker = RustDaemon\Worker::install(name: 'quiet', mode: 0660, workers: 7);
    var_dump($worker->supervised(), $worker->name);
    PHP, options: ['-d', 'rustdaemon.sidecar=/no/such']);
?>
--EXPECT--
bool(false)
string(5) "quiet"
exit 0
