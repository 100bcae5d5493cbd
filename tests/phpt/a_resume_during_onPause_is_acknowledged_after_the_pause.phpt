--TEST--
A Resume that arrives while onPause() sleeps or ticks is obeyed after the pause has been acknowledged
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = <<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->onPause(function () use ($worker, $argv) {
        echo "pause\n";
        file_put_contents($argv[0] . '.pausing', '');
        while (file_exists($argv[0] . '.pausing')) {
            CALL
        }
        echo "paused\n";
    });
    $worker->onResume(fn () => print "resume\n");
    LOOP
    PHP;
$run = ['$worker->expose("echo", fn (string $text) => $text);', '$worker->run();'];
$own = ['', 'while (!$worker->shouldStop()) { $worker->sleep(600.0); }'];
foreach ([[$run, '$worker->sleep(0.001);'], [$run, '$worker->tick(0.001);'], [$own, '$worker->sleep(0.001);']] as [$loop, $call]) {
    $sidecar = Sidecar::serve(strtr($code, ['CALL' => $call, 'LOOP' => implode("\n", $loop)]));
    $sidecar->ready();
    $sidecar->send(Sidecar::PAUSE, 0, 0, '');
    $pausing = $sidecar->script() . '.pausing';
    eventually('it pauses', fn () => file_exists($pausing));
    $sidecar->send(Sidecar::RESUME, 0, 0, '');
    usleep(20_000); // so that the nested call reads it
    unlink($pausing);
    $sidecar->expect(Sidecar::PAUSED);
    $sidecar->expect(Sidecar::RESUMED);
    echo $sidecar->life()['flags'], "\n";
    if ($loop === $run) {
        echo $sidecar->call('echo', '["again"]'), "\n";
    }
    $sidecar->drain();
    $sidecar->end();
}
?>
--EXPECT--
0
data "again"
out: pause
out: paused
out: resume
exit 0
0
data "again"
out: pause
out: paused
out: resume
exit 0
0
out: pause
out: paused
out: resume
exit 0
