--TEST--
A sidecar that is not found is an exception with the places looked at
--EXTENSIONS--
rustdaemon
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$directory = own_directory();
copy(substr(php()[3], strlen('extension=')), "$directory/rustdaemon.so");
$php = [PHP_BINARY, '-n', '-d', "extension=$directory/rustdaemon.so"];
$code = 'try { RustDaemon\Worker::install(socket: "/run/x.sock"); } catch (RustDaemon\Exception\SidecarNotFound $e) { echo $e->getMessage(), "\n"; }';
$replace = [$directory => 'DIRECTORY'];
run_command([...$php, '-r', $code], ['PATH' => '/nowhere:/neither'], replace: $replace);
run_command([...$php, '-d', 'rustdaemon.sidecar=/no/such', '-r', $code], replace: $replace);
run_command([...$php, '-d', "rustdaemon.sidecar=$directory/rustdaemon.so", '-r', $code], replace: $replace);
?>
--EXPECT--
the sidecar was not found: rustdaemon.sidecar in the ini is not set, DIRECTORY/rustdaemon is not an executable file, and PATH (/nowhere:/neither) has no rustdaemon; put it into one of them, or set RUSTDAEMON=off in the environment to run without a sidecar
exit 0
the sidecar was not found: rustdaemon.sidecar = "/no/such" in the ini is not an executable file, and so neither the extension's directory nor PATH was searched; correct it, or set RUSTDAEMON=off in the environment to run without a sidecar
exit 0
the sidecar was not found: rustdaemon.sidecar = "DIRECTORY/rustdaemon.so" in the ini is not an executable file, and so neither the extension's directory nor PATH was searched; correct it, or set RUSTDAEMON=off in the environment to run without a sidecar
exit 0
