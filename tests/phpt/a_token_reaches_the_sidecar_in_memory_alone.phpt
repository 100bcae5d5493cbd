--TEST--
A token reaches the sidecar by a descriptor: it stands in no argument and no variable
--EXTENSIONS--
rustdaemon
--FILE--
<?php
require __DIR__ . '/include/self_start.php';
ob_start();
self_start(<<<'PHP'
    RustDaemon\Worker::install(socket: 'x.sock', token: strrev('terc3s'));
    PHP, show: ['arg', 'fd', 'env']);
$said = ob_get_clean();
var_dump(preg_match('/^arg --token-fd=(\d+)$/m', $said, $number) === 1);
var_dump(str_contains($said, "fd $number[1] /memfd:rustdaemon-token (deleted)"));
var_dump(substr_count($said, 'memfd'), str_contains($said, 's3cret'));
?>
--EXPECT--
bool(true)
bool(true)
int(1)
bool(false)
