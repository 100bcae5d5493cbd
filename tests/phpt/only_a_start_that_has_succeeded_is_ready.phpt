--TEST--
A worker is ready when all of onStart() has succeeded: not inside of it, not after a failure, not after exit()
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
echo "-- asked inside\n";
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->onStop(fn () => print "stop\n");
    $worker->onStart(function () use ($worker) {
        var_dump($worker->shouldStop(), $worker->sleep(0.001), $worker->tick(0.0), $worker->ready() === $worker);
        throw new DomainException('no database');
    });
    try {
        $worker->shouldStop();
    } catch (DomainException $e) {
        echo $e->getMessage(), "\n";
    }
    PHP);
$sidecar->end(); // no frame came
echo "-- again after a failure\n";
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $failures = 2;
    $worker->onStart(fn () => print "first\n");
    $worker->onStart(function () use (&$failures) {
        if ($failures-- > 0) {
            throw new DomainException('no database');
        }
    });
    $worker->onStart(fn () => print "last\n")->onStop(fn () => print "stop\n");
    for ($go = true; $go;) {
        try {
            $go = $worker->tick(null);
        } catch (DomainException $e) {
            echo $e->getMessage(), "\n";
        }
    }
    PHP);
echo json_encode($sidecar->readyFrame()), "\n";
$sidecar->drain();
$sidecar->end();
foreach (['onStart', 'onPause', 'onStop'] as $moment) {
    echo "-- exit() in $moment\n";
    $sidecar = Sidecar::serve(<<<PHP
        \$worker = RustDaemon\Worker::install();
        \$worker->onStop(fn () => print "stop\n")->$moment(fn () => exit(3));
        register_shutdown_function(fn () => var_dump(\$worker->tick(1.0), \$worker->shouldStop()));
        \$worker->run();
        PHP);
    if ($moment !== 'onStart') {
        $sidecar->ready();
        $sidecar->send($moment === 'onPause' ? Sidecar::PAUSE : Sidecar::DRAIN, 0, 0, '');
    }
    $sidecar->end();
}
?>
--EXPECT--
-- asked inside
out: bool(false)
out: bool(true)
out: bool(true)
out: bool(true)
out: no database
exit 0
-- again after a failure
{"methods":[],"own_loop":false}
out: first
out: no database
out: first
out: no database
out: first
out: last
out: stop
exit 0
-- exit() in onStart
out: bool(false)
out: bool(true)
exit 3
-- exit() in onPause
out: bool(false)
out: bool(true)
exit 3
-- exit() in onStop
out: stop
out: bool(false)
out: bool(true)
exit 3
