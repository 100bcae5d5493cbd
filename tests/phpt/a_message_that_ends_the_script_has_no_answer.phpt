--TEST--
exit() in onMessage ends the worker without an answer, and a child that is forked off there leaves the loop
--EXTENSIONS--
rustdaemon
ffi
pcntl
--SKIPIF--
<?php if (!extension_loaded('pcntl')) die('skip pcntl is not there');
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = <<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->onMessage(function (string $name) {
        if ($name === 'exit') {
            exit(3);
        }
        $pid = pcntl_fork();
        if ($pid === 0) {
            return;
        }
        pcntl_waitpid($pid, $status);
        echo 'the child: ', pcntl_wexitstatus($status), "\n";
    });
    $worker->onMessage(fn (string $name) => print "second, also in the child\n");
    $me = getmypid();
    $worker->onStop(fn () => print "stop\n");
    $worker->run();
    exit(getmypid() === $me ? 0 : 5);
    PHP;
$sidecar = Sidecar::serve($code);
$sidecar->ready();
echo $sidecar->call('worker.send', '["fork",null]'), "\n";
$sidecar->request('worker.send', '["exit",null]');
$sidecar->end();
?>
--EXPECT--
data null
out: the child: 5
out: second, also in the child
exit 3
