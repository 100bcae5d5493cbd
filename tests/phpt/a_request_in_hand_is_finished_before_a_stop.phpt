--TEST--
A request in hand when TERM comes is finished and answered; one that had arrived is served
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->expose('slow', function () use ($worker) {
        FFI::cdef('int kill(int pid, int sig);')->kill(getmypid(), SIGTERM);
        return $worker->shouldStop() ? 'told to stop' : 'not told';
    });
    $worker->expose('next', fn () => 'served');
    echo $worker->run(), "\n";
    PHP, ['-d', 'extension=ffi']);
$sidecar->ready();
$sidecar->together(function (Sidecar $sidecar): void {
    $sidecar->request('slow', '[]');
    $sidecar->request('next', '[]');
});
echo $sidecar->reply(1), "\n", $sidecar->reply(2), "\n";
$sidecar->end();
?>
--EXPECT--
data "told to stop"
data "served"
out: 0
exit 0
