--TEST--
A loop of one's own hears messages in sleep() and shouldStop(), not between busy() and idle(), nor in a callback, nor after a stop
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->onMessage(function (string $name, mixed $payload) use ($worker) {
        echo "$name\n";
        var_dump($worker->shouldStop(), $worker->sleep(0.001));
        if ($name === 'throw') {
            throw new LogicException('not here');
        }
    });
    $worker->busy('first job');
    while (!file_exists($argv[0] . '.go')) {
        usleep(500);
    }
    var_dump($worker->shouldStop(), $worker->sleep(0.001));
    echo "job done\n";
    unlink($argv[0] . '.go');
    $worker->idle();
    var_dump($worker->shouldStop());
    for ($turn = 0; !$worker->shouldStop(); $turn++) {
        $worker->sleep(600.0);
    }
    echo "stopped after $turn turn\n";
    PHP);
$go = $sidecar->script() . '.go';
$first = $sidecar->request('worker.send', '["during the job",null]');
file_put_contents($go, ''); // not touch(): its utime() may come after the unlink()
echo json_encode($sidecar->readyFrame()), "\n";
echo $sidecar->reply($first), "\n";
eventually('it sleeps', fn () => $sidecar->life()['waiting'] === 2);
echo 'phase ', $sidecar->life()['phase'], "\n";
echo $sidecar->call('worker.send', '["in sleep()",null]'), "\n";
echo $sidecar->call('worker.send', '["throw",null]'), "\n";
eventually('it sleeps', fn () => $sidecar->life()['waiting'] === 2);
echo 'phase ', $sidecar->life()['phase'], "\n";
$sidecar->together(function (Sidecar $sidecar) {
    $sidecar->drain();
    $sidecar->request('worker.send', '["too late",null]');
});
$sidecar->end();
?>
--EXPECT--
{"methods":[],"own_loop":true}
data null
phase 3
data null
fault {"class":"LogicException","message":"not here"}
phase 3
out: bool(false)
out: bool(true)
out: job done
out: during the job
out: bool(false)
out: bool(true)
out: bool(false)
out: in sleep()
out: bool(false)
out: bool(true)
out: throw
out: bool(false)
out: bool(true)
out: stopped after 1 turn
err: rustdaemon: onMessage throw threw LogicException: not here in SCRIPT:7
exit 0
