--TEST--
A script that a worker started says so once and never starts a sidecar
--EXTENSIONS--
rustdaemon
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
run_php(<<<'PHP'
    $worker = RustDaemon\Worker::install(name: 'child', socket: '/tmp/never.sock');
    var_dump($worker->supervised(), getenv('RUSTDAEMON_RUN'), $worker->name, $worker->slot, $worker->generation);
    RustDaemon\Worker::install();
    PHP, ['RUSTDAEMON_RUN' => 'r/0'], ['-d', 'rustdaemon.sidecar=/bin/false']);
?>
--EXPECT--
rustdaemon: this script was started by a worker (RUSTDAEMON_RUN is set): it runs unsupervised, without a socket of its own
bool(false)
string(3) "r/0"
string(5) "child"
int(0)
int(1)
exit 0
