--TEST--
A child by pcntl_fork() is unsupervised and leaves its parent's link and signals alone
--EXTENSIONS--
rustdaemon
ffi
pcntl
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->expose('fork', function () use ($worker) {
        $pid = pcntl_fork();
        if ($pid === 0) {
            $alone = !$worker->supervised() && !$worker->shouldStop();
            FFI::cdef('int kill(int pid, int sig);')->kill(getmypid(), SIGTERM);
            exit($alone && $worker->shouldStop() && !$worker->tick(5.0) && $worker->run() === 0 ? 5 : 6);
        }
        pcntl_waitpid($pid, $status);
        return [pcntl_wexitstatus($status), $worker->supervised(), $worker->shouldStop()];
    });
    $worker->run();
    PHP, ['-d', 'extension=ffi']);
$sidecar->ready();
echo $sidecar->call('fork', '[]'), "\n", $sidecar->call('fork', '[]'), "\n";
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
data [5,true,false]
data [5,true,false]
exit 0
