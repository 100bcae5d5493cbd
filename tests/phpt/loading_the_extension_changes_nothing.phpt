--TEST--
A script that does not call install() sees no handler, no descriptor, no variable of ours
--EXTENSIONS--
rustdaemon
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = 'echo json_encode([array_values(preg_grep("/^Sig[BIC]/", file("/proc/self/status"))), count(scandir("/proc/self/fd"))]);';
ob_start();
run_command([PHP_BINARY, '-n', '-r', $code]);
$without = ob_get_clean();
ob_start();
run_command([...php(), '-r', $code]);
var_dump(ob_get_clean() === $without);
?>
--EXPECT--
bool(true)
