--TEST--
RUSTDAEMON=off keeps a script with a socket unsupervised; no other value is known
--EXTENSIONS--
rustdaemon
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = <<<'PHP'
    putenv('RUSTDAEMON=off'); // too late: what counts is how the process was started
    try {
        var_dump(RustDaemon\Worker::install(socket: '/tmp/never.sock')->supervised());
    } catch (RustDaemon\Exception\DaemonException $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }
    PHP;
foreach (['off', 'no', 'OFF'] as $value) {
    run_php($code, ['RUSTDAEMON' => $value], ['-d', 'rustdaemon.sidecar=/no/such']);
}
run_php($code, ['RUSTDAEMON' => ''], ['-d', 'rustdaemon.sidecar=/no/such']);
?>
--EXPECT--
bool(false)
exit 0
RustDaemon\Exception\InvalidArgument: RUSTDAEMON="no" in the environment is not known: only "off" is
exit 0
RustDaemon\Exception\InvalidArgument: RUSTDAEMON="OFF" in the environment is not known: only "off" is
exit 0
RustDaemon\Exception\SidecarNotFound: the sidecar was not found: rustdaemon.sidecar = "/no/such" in the ini is not an executable file, and so neither the extension's directory nor PATH was searched; correct it, or set RUSTDAEMON=off in the environment to run without a sidecar
exit 0
