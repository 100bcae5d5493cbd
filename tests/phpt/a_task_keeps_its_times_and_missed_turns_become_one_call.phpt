--TEST--
A late turn does not move the next one, missed turns become one call, and tick() wakes up for a task
--EXTENSIONS--
rustdaemon
--FILE--
<?php
$worker = RustDaemon\Worker::install();
$period = 0.04;
$at = [];
$worker->tick(0.0);
$start = hrtime(true);
$worker->every($period, function () use (&$at) { $at[] = hrtime(true); });
$worker->tick(60.0);
var_dump($at[0] - $start >= $period * 1e9);

// One that is called half a period late is called again before a whole period is over.
$deadline = microtime(true) + 10.0;
do {
    usleep((int) ($period * 1e6 * 2.5) - (int) ((hrtime(true) - $start) / 1e3) % (int) ($period * 1e6));
    $worker->tick(60.0);
    $worker->tick(60.0);
    [$late, $next] = array_slice($at, -2);
    $kept = $next - $late < ($period - 0.005) * 1e9;
} while (!$kept && microtime(true) < $deadline);
var_dump($kept);

// As many calls as turns at most, whatever happens.
usleep(300000);
$calls = count($at);
$now = hrtime(true);
for ($i = 0; $i < 10; $i++) {
    $worker->tick(0.0);
}
$turns = 1 + ceil((hrtime(true) - $now) / 1e9 / $period);
var_dump(count($at) > $calls, count($at) - $calls <= $turns);
$early = array_filter($at, fn (int $time, int $n) => $time < $start + ($n + 1) * $period * 1e9, ARRAY_FILTER_USE_BOTH);
var_dump($early);
?>
--EXPECT--
bool(true)
bool(true)
bool(true)
bool(true)
array(0) {
}
