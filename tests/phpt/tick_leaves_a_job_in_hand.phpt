--TEST--
tick() between busy() and idle() leaves the job in hand, also after a request; run() ends it
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->expose('label', fn () => $worker->busy('another text'));
    $worker->expose('nothing', fn () => 0);
    $step = function () use ($argv): void {
        touch($argv[0] . '.step');
        while (file_exists($argv[0] . '.step')) {
            usleep(500);
        }
    };
    $worker->tick(0.0);
    $worker->busy('import', 600.0);
    $worker->tick(0.0);
    $step();
    $worker->tick(null);
    $worker->tick(null);
    $step();
    $worker->idle();
    $worker->tick(null);
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
$sidecar->ready();
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
[4,"import",true]
data null data 0
[4,"import",true]
data 0
[1,"nothing",false]
data 0 exit 0
