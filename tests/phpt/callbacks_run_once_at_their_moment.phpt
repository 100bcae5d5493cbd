--TEST--
onStart runs before ready, onStop once before run() returns, each in order; a worker without a sidecar has them too
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = <<<'PHP'
    $worker = RustDaemon\Worker::install();
    $say = fn (string $what) => function () use ($what) { echo "$what\n"; };
    $worker->onStart($say('start 1'))->onStart($say('start 2'))->onStop($say('stop 1'))->onStop($say('stop 2'));
    $worker->expose('echo', fn (string $text) => $text);
    echo "installed\n";
    PHP;
$sidecar = Sidecar::serve($code . ' $worker->run(); echo "left\n"; var_dump($worker->tick(0.0)); exit($worker->run());');
echo json_encode($sidecar->ready()), "\n";
echo $sidecar->call('echo', '["x"]'), "\n";
$sidecar->drain();
$sidecar->end();
echo "-- tick\n";
$sidecar = Sidecar::serve($code . ' while ($worker->tick(null)) { } echo "left\n";');
$sidecar->ready();
$sidecar->signal(15);
$sidecar->end();
echo "-- shouldStop and sleep\n";
$own = <<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->onStart(fn () => print "start\n")->onStop(fn () => print "stop\n");
    while (!$worker->shouldStop()) {
        var_dump($worker->sleep(600.0));
    }
    echo "left\n";
    PHP;
$sidecar = Sidecar::serve($own);
$sidecar->ready();
$sidecar->drain();
$sidecar->end();
echo "-- ready, and ready again\n";
$sidecar = Sidecar::serve('$worker = RustDaemon\Worker::install(); $worker->onStart(fn () => print "start\n");
    var_dump($worker->ready() === $worker, $worker->ready() === $worker);');
echo json_encode($sidecar->readyFrame()), "\n";
$sidecar->end();
echo "-- alone\n";
run_php($code . 'posix_kill(getmypid(), 15); $worker->run(); echo "left\n";', options: ['-d', 'extension=posix']);
?>
--EXPECT--
[{"name":"echo","idempotent":false}]
data "x"
out: installed
out: start 1
out: start 2
out: stop 1
out: stop 2
out: left
out: bool(false)
exit 0
-- tick
out: installed
out: start 1
out: start 2
out: stop 1
out: stop 2
out: left
exit 0
-- shouldStop and sleep
out: start
out: stop
out: bool(false)
out: left
exit 0
-- ready, and ready again
{"methods":[],"own_loop":true}
out: start
out: bool(true)
out: bool(true)
exit 0
-- alone
installed
start 1
start 2
stop 1
stop 2
left
exit 0
