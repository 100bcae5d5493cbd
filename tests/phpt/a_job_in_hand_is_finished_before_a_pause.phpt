--TEST--
Between busy() and idle() shouldStop() and sleep() do not wait for a pause's end: the job is finished first
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->onPause(fn () => print "pause\n")->onResume(fn () => print "resume\n");
    while (!$worker->shouldStop()) {
        $worker->busy('job');
        file_put_contents($argv[0] . '.busy', '');
        while (file_exists($argv[0] . '.busy') && !$worker->shouldStop() && $worker->sleep(0.001)) {
        }
        echo "job done\n";
        $worker->idle();
    }
    PHP);
$sidecar->ready();
$busy = $sidecar->script() . '.busy';
eventually('the job has begun', fn () => file_exists($busy));
$sidecar->send(Sidecar::PAUSE, 0, 0, '');
usleep(20_000); // so that the job's own questions read it
$life = $sidecar->life();
echo "phase $life[phase], flags $life[flags]\n";
unlink($busy);
$sidecar->expect(Sidecar::PAUSED);
eventually('it waits', fn () => $sidecar->life()['waiting'] === 2);
$life = $sidecar->life();
echo "phase $life[phase], flags $life[flags]\n";
$sidecar->pause(false);
eventually('the next job has begun', fn () => file_exists($busy));
$sidecar->drain();
$sidecar->end();
@unlink($busy);
?>
--EXPECT--
phase 4, flags 0
phase 3, flags 1
out: job done
out: pause
out: resume
out: job done
exit 0
