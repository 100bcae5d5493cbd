--TEST--
sleep() and shouldStop() call tasks, in a loop of one's own and beside tick(), but not between busy() and idle(); with a sidecar and without
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = <<<'PHP'
    $worker = RustDaemon\Worker::install();
    BEFORE
    $calls = 0;
    $worker->every(0.02, function () use (&$calls, $worker) {
        $calls++;
        $worker->idle(); // does nothing here
        var_dump($worker->sleep(0.03), $worker->shouldStop()); // a task in a task is none
        throw_if_nested($calls);
    });
    function throw_if_nested(int $calls): void
    {
        static $seen = 0;
        ++$seen === $calls || throw new LogicException('nested');
    }
    ob_start();
    $start = hrtime(true);
    $slept = $worker->sleep(0.1);
    $worker->busy('job');
    $before = $calls;
    $worker->sleep(0.06);
    $worker->shouldStop();
    $in_job = $calls - $before;
    $worker->idle();
    $worker->shouldStop();
    $after_job = $calls - $before;
    $said = ob_get_clean();
    var_dump($slept, $before >= 1, $in_job, $after_job, hrtime(true) - $start >= 16e7);
    var_dump(trim(str_replace(['bool(true)', 'bool(false)'], '', $said)));
    usleep(30000);
    PHP;
foreach (['', '$worker->tick(0.0);'] as $before) {
    $sidecar = Sidecar::serve(strtr($code, ['BEFORE' => $before]));
    while (($frame = $sidecar->receive()) !== null) {
        echo $frame[3], "\n";
    }
    $sidecar->end();
    run_php(strtr($code, ['BEFORE' => $before]));
}
?>
--EXPECT--
{"methods":[],"own_loop":true}
out: bool(true)
out: bool(true)
out: int(0)
out: int(1)
out: bool(true)
out: string(0) ""
exit 0
bool(true)
bool(true)
int(0)
int(1)
bool(true)
string(0) ""
exit 0
{"methods":[],"own_loop":false}
{"methods":[],"own_loop":false,"jobs":true}
out: bool(true)
out: bool(true)
out: int(0)
out: int(1)
out: bool(true)
out: string(0) ""
exit 0
bool(true)
bool(true)
int(0)
int(1)
bool(true)
string(0) ""
exit 0
