--TEST--
What a handler prints goes to the standard output, and nothing of ours does
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->expose('print', function (string $text) {
        echo $text, "\n";
        fwrite(STDERR, "to stderr\n");
    });
    $worker->run();
    PHP);
$sidecar->ready();
echo $sidecar->call('print', '["hello"]'), "\n";
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
data null
out: hello
err: to stderr
exit 0
