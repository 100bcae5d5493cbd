--TEST--
While paused no task is called; what was due meanwhile is called once when it is resumed; an order comes before tasks
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
foreach (['while ($worker->tick(null)) { }', '$worker->run();', 'while (!$worker->shouldStop()) { $worker->sleep(600.0); }'] as $loop) {
    $sidecar = Sidecar::serve(<<<'PHP'
        $worker = RustDaemon\Worker::install();
        $period = 0.03;
        $calls = $once = 0;
        $paused = $resumed = null;
        $worker->every($period, function () use (&$calls, &$resumed, $period) {
            $calls++;
            if ($resumed !== null && $calls === $resumed[0] + 4) { // one for the pause, the others at their times
                $turns = (hrtime(true) - $resumed[1]) / 1e9 / $period;
                echo 4 <= 2 + floor($turns) ? "called once\n" : "called for each missed turn\n";
                $resumed = null;
                file_put_contents($_SERVER['argv'][0] . '.done', ''); // not touch(): its utime() may come after the unlink()
            }
        });
        $worker->onPause(function () use (&$calls, &$paused, $worker, &$once) {
            $paused = $calls;
            $worker->after(0.0, function () use (&$once) { $once++; });
            $worker->sleep(0.06);
            echo $calls === $paused && $once === 0 ? "none in onPause\n" : "tasks in onPause\n";
        });
        $worker->onResume(function () use (&$calls, &$paused, &$resumed, &$once) {
            echo $calls === $paused && $once === 0 ? "none while paused\n" : "tasks while paused\n";
            $resumed = [$calls, hrtime(true)];
        });
        $worker->onStop(function () use (&$once) { echo "once: $once\n"; });
        PHP . "\n$loop");
    $sidecar->ready();
    $sidecar->pause();
    usleep(150000);
    $sidecar->pause(false);
    eventually('a task is called', fn () => file_exists($sidecar->script() . '.done'));
    unlink($sidecar->script() . '.done');
    $sidecar->drain();
    $sidecar->end();
}
?>
--EXPECT--
out: none in onPause
out: none while paused
out: called once
out: once: 1
exit 0
out: none in onPause
out: none while paused
out: called once
out: once: 1
exit 0
out: none in onPause
out: none while paused
out: called once
out: once: 1
exit 0
