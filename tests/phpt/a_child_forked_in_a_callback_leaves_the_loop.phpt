--TEST--
A child that a callback forked off leaves run(), tick(), shouldStop(), sleep() and ready(), and says no good-bye for its parent
--EXTENSIONS--
rustdaemon
ffi
pcntl
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = <<<'PHP'
    $worker = RustDaemon\Worker::install();
    $parent = getmypid();
    $fork = function () use ($parent) {
        if (getmypid() === $parent && pcntl_fork() !== 0) {
            pcntl_wait($status);
        }
    };
    $worker->MOMENT($fork)->MOMENT(fn () => print "second\n")->onStop(fn () => print "stop\n");
    try {
        $said = json_encode(CALL);
    } catch (DomainException $e) {
        $said = $e->getMessage();
    }
    if (getmypid() !== $parent) {
        echo "child: $said, ", json_encode([$worker->supervised(), $worker->sleep(0.001)]);
        posix_kill(getmypid(), 15);
        echo ', ', json_encode($worker->tick(1.0)), "\n";
        exit(0);
    }
    echo "parent: $said\n";
    PHP;
$calls = [
    '$worker->run()' => 'onStart',
    '$worker->tick(null)' => 'onStart',
    '$worker->shouldStop()' => 'onStart',
    '$worker->sleep(600.0)' => 'onPause',
    '$worker->ready() === $worker' => 'onStart',
    '[$worker->run()]' => 'onStop',
    '[$worker->tick(600.0)]' => 'onPause',
];
foreach ($calls as $call => $moment) {
    echo "-- $moment, $call\n";
    $sidecar = Sidecar::serve(strtr($code, ['MOMENT' => $moment, 'CALL' => $call]), ['-d', 'extension=posix']);
    $sidecar->ready();
    if ($moment === 'onPause') {
        $sidecar->pause();
    }
    if (!str_contains($call, 'shouldStop') && !str_contains($call, 'ready')) {
        $sidecar->drain();
    }
    $sidecar->end();
}
echo "-- thrown in the child\n";
$throw = str_replace('pcntl_wait($status);', 'pcntl_wait($status); return; } elseif (true) { throw new DomainException("in the child");', $code);
$sidecar = Sidecar::serve(strtr($throw, ['MOMENT' => 'onStart', 'CALL' => '$worker->run()']), ['-d', 'extension=posix']);
$sidecar->ready();
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
-- onStart, $worker->run()
out: child: 0, [false,true], false
out: second
out: stop
out: parent: 0
exit 0
-- onStart, $worker->tick(null)
out: child: false, [false,true], false
out: second
out: stop
out: parent: false
exit 0
-- onStart, $worker->shouldStop()
out: child: true, [false,true], false
out: second
out: parent: false
exit 0
-- onPause, $worker->sleep(600.0)
out: child: false, [false,true], false
out: second
out: stop
out: parent: false
exit 0
-- onStart, $worker->ready() === $worker
out: child: true, [false,true], false
out: second
out: parent: true
exit 0
-- onStop, [$worker->run()]
out: child: [0], [false,true], false
out: second
out: stop
out: parent: [0]
exit 0
-- onPause, [$worker->tick(600.0)]
out: child: [false], [false,true], false
out: second
out: stop
out: parent: [false]
exit 0
-- thrown in the child
out: child: in the child, [false,true], false
out: second
out: stop
out: parent: 0
exit 0
