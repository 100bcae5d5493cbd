--TEST--
busy(), progress() and idle() are said on the page at once; without a sidecar they do nothing
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = <<<'PHP'
    $worker = RustDaemon\Worker::install();
    $step = function () use ($argv): void {
        $step = (string) @file_get_contents($argv[0] . '.step');
        while ((string) @file_get_contents($argv[0] . '.step') === $step) {
            usleep(500);
        }
    };
    $worker->busy('boot', 60.0);
    if ($worker->supervised()) {
        $step();
        $worker->progress('half');
        $step();
        $worker->busy(str_repeat('x', 1000));
        $step();
        $worker->progress();
        $worker->idle();
        $step();
    }
    foreach ([fn () => $worker->busy('x', -1.0), fn () => $worker->busy('x', NAN), fn () => $worker->busy([])] as $bad) {
        try {
            $bad();
        } catch (Throwable $e) {
            echo get_class($e), ': ', $e->getMessage(), "\n";
        }
    }
    PHP;
$sidecar = Sidecar::serve($code);
$steps = 0;
$step = function () use ($sidecar, &$steps): void {
    file_put_contents($sidecar->script() . '.step', (string) ++$steps);
};
$seen = fn () => array_intersect_key($sidecar->life(), ['phase' => 1, 'what' => 1, 'status' => 1]);
$until = function (callable $holds) use ($sidecar): void {
    eventually('the page says so', fn () => $holds($sidecar->life()));
};
$until(fn (array $life) => $life['phase'] === 4);
echo json_encode($seen()), "\n";
$life = $sidecar->life();
var_dump($life['deadline'] > $life['busySince'] + 59e9, $life['progressedAt']);
$until(fn (array $life) => $life['alive'] >= 2 && $life['progress'] >= 1 && $life['place'] !== ''); // the pulse beats
echo str_replace($sidecar->script(), 'SCRIPT', preg_replace('/:\d+$/', ':LINE', $sidecar->life()['place'])) !== '' ? "a place\n" : '';
$step();
$until(fn (array $life) => $life['status'] === 'half' && $life['progressedAt'] > 0);
$step();
$until(fn (array $life) => $life['what'] !== 'boot');
var_dump($sidecar->life()['what'] === str_repeat('x', 248), $sidecar->life()['status'], $sidecar->life()['deadline']);
$step();
$until(fn (array $life) => $life['phase'] === 3);
$step();
$sidecar->end();
unlink($sidecar->script() . '.step');
run_php($code);
?>
--EXPECT--
{"phase":4,"what":"boot","status":""}
bool(true)
int(0)
a place
bool(true)
string(0) ""
int(0)
out: RustDaemon\Exception\InvalidArgument: deadline: must be a number of seconds from 0.0, or null for hang_timeout
out: RustDaemon\Exception\InvalidArgument: deadline: must be a number of seconds from 0.0, or null for hang_timeout
out: TypeError: RustDaemon\Worker::busy(): Argument #1 ($what) must be of type string, array given
exit 0
RustDaemon\Exception\InvalidArgument: deadline: must be a number of seconds from 0.0, or null for hang_timeout
RustDaemon\Exception\InvalidArgument: deadline: must be a number of seconds from 0.0, or null for hang_timeout
TypeError: RustDaemon\Worker::busy(): Argument #1 ($what) must be of type string, array given
exit 0
