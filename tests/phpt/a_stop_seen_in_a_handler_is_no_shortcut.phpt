--TEST--
A stop that is seen or arrives while a handler runs: tick() still serves what had arrived, and onStop() is called
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = <<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->onStop(fn () => print "stop\n");
    $worker->expose('job', function () use ($worker, $argv) {
        file_put_contents($argv[0] . '.begun', '');
        while (!$worker->shouldStop()) {
            usleep(500);
        }
        return 'job';
    });
    $worker->expose('echo', fn (string $text) => $text);
    while ($worker->tick(null)) {
        echo "turn\n";
    }
    echo "left\n";
    PHP;
foreach ([fn (Sidecar $s) => $s->drain(), fn (Sidecar $s) => $s->signal(15)] as $stop) {
    $sidecar = Sidecar::serve($code);
    $sidecar->ready();
    $sidecar->together(function (Sidecar $s): void {
        $s->request('job', '[]');
        $s->request('echo', '["arrived"]');
    });
    eventually('the job has begun', fn () => file_exists($sidecar->script() . '.begun'));
    $stop($sidecar);
    echo $sidecar->reply(1), "\n", $sidecar->reply(2), "\n";
    unlink($sidecar->script() . '.begun');
    $sidecar->end();
}
?>
--EXPECT--
data "job"
data "arrived"
out: turn
out: turn
out: stop
out: left
exit 0
data "job"
data "arrived"
out: turn
out: turn
out: stop
out: left
exit 0
