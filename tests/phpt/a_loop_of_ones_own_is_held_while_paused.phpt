--TEST--
A loop of one's own is held in shouldStop() or sleep() while it is paused, and let go by a stop
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = <<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->onPause(fn () => print "pause\n")->onResume(fn () => print "resume\n");
    for ($turn = 0; !$worker->shouldStop(); $turn++) {
        file_put_contents($argv[0] . '.turns', $turn);
        usleep(1000);
    }
    unlink($argv[0] . '.turns');
    echo "stopped\n";
    PHP;
foreach ([$code, str_replace('usleep(1000)', '$worker->sleep(0.001)', $code)] as $loop) {
    $sidecar = Sidecar::serve($loop);
    echo json_encode($sidecar->readyFrame()), "\n";
    $turns = fn () => (string) @file_get_contents($sidecar->script() . '.turns');
    eventually('it turns', fn () => $turns() !== '');
    $sidecar->pause();
    eventually('it waits', fn () => $sidecar->life()['waiting'] === 2);
    $at = $turns();
    $sidecar->pause();
    eventually('it waits', fn () => $sidecar->life()['waiting'] === 2);
    var_dump($turns() === $at);
    $sidecar->pause(false);
    eventually('it turns again', fn () => $turns() !== '' && $turns() !== $at);
    $sidecar->pause();
    $sidecar->drain();
    $sidecar->end();
}
?>
--EXPECT--
{"methods":[],"own_loop":true}
bool(true)
out: pause
out: resume
out: pause
out: stopped
exit 0
{"methods":[],"own_loop":true}
bool(true)
out: pause
out: resume
out: pause
out: stopped
exit 0
