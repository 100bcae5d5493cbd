--TEST--
A script read from the standard input is told so, and is unchanged
--EXTENSIONS--
rustdaemon
--FILE--
<?php
require __DIR__ . '/include/self_start.php';
$directory = own_directory();
$php = php('-d', 'rustdaemon.sidecar=' . fake_sidecar($directory));
$code = '<?php try { RustDaemon\Worker::install(socket: "/run/x.sock"); } catch (RustDaemon\Exception\SelfStartFailed $e) { echo $e->getMessage(), "\n"; }';
run_command($php, stdin: $code);
run_command([...$php, '--', 'argument'], stdin: $code);
run_command([...$php, '/dev/stdin'], stdin: $code);
run_command(['bash', '-c', '"${@:2}" <(printf %s "$1")', '-', $code, ...$php]);
run_command([...$php, '-R', substr($code, 5)], stdin: "line\n");
?>
--EXPECT--
this script was read from the standard input and cannot be started again under the sidecar: put it into a file, or set RUSTDAEMON=off in the environment to run without a sidecar
exit 0
this script was read from the standard input and cannot be started again under the sidecar: put it into a file, or set RUSTDAEMON=off in the environment to run without a sidecar
exit 0
this script was read from the standard input and cannot be started again under the sidecar: put it into a file, or set RUSTDAEMON=off in the environment to run without a sidecar
exit 0
this script was read from the standard input and cannot be started again under the sidecar: put it into a file, or set RUSTDAEMON=off in the environment to run without a sidecar
exit 0
this script was read from the standard input and cannot be started again under the sidecar: put it into a file, or set RUSTDAEMON=off in the environment to run without a sidecar
exit 0
