--TEST--
tick() between busy() and idle() leaves the job in hand, also after a request, and the sidecar hears of jobs; run() ends it
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $served = 0;
    $worker->expose('label', function () use ($worker, &$served) {
        $worker->busy('another text');
        $served++;
    });
    $worker->expose('nothing', function () use (&$served) {
        $served++;
    });
    $serve = function (int $until) use ($worker, &$served): void {
        while ($served < $until) {
            $worker->tick(null);
        }
    };
    $step = function () use ($argv): void {
        fclose(fopen($argv[0] . '.step', 'x')); // in one step: touch() would come back to it
        while (file_exists($argv[0] . '.step')) {
            usleep(500);
        }
    };
    $worker->tick(0.0);
    $worker->busy('import', 600.0);
    $worker->tick(0.0);
    $step();
    $serve(2);
    $step();
    $worker->idle();
    $serve(3);
    $step();
    $worker->busy('forgotten');
    $worker->run();
    PHP);
$step = $sidecar->script() . '.step';
$look = function () use ($sidecar, $step): void {
    eventually('the next step', fn () => file_exists($step));
    $life = $sidecar->life();
    echo json_encode([$life['phase'], $life['what'], $life['deadline'] > $life['busySince'] + 500e9]), "\n";
    unlink($step);
};
echo json_encode($sidecar->readyFrame()['jobs'] ?? null), ' ', json_encode($sidecar->readyFrame()['jobs'] ?? null), "\n";
$look();
echo $sidecar->call('label', '[]'), ' ', $sidecar->call('nothing', '[]'), "\n";
$look();
echo $sidecar->call('nothing', '[]'), "\n";
$look();
echo $sidecar->call('nothing', '[]'), ' ';
eventually('it is idle', fn () => $sidecar->life()['phase'] === 1);
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
null true
[4,"import",true]
data null data null
[4,"import",true]
data null
[1,"nothing",false]
data null exit 0
