--TEST--
pcntl handlers run while run() and tick() wait; what they throw leaves them
--EXTENSIONS--
rustdaemon
ffi
pcntl
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    pcntl_async_signals(true);
    $worker = RustDaemon\Worker::install();
    pcntl_signal(SIGUSR1, fn () => print "USR1\n");
    pcntl_signal(SIGUSR2, fn () => throw new DomainException('USR2'));
    $worker->expose('one', fn () => 1);
    var_dump($worker->tick(null));
    $worker->expose('two', fn () => 2);
    try {
        $worker->run();
    } catch (DomainException $e) {
        echo 'run() left by ', $e->getMessage(), "\n";
    }
    $worker->expose('three', fn () => 3);
    $worker->run();
    PHP);
$sidecar->ready();
$sidecar->signal(10);
$sidecar->ready();
$sidecar->signal(12);
$sidecar->ready();
echo $sidecar->call('three', '[]'), "\n";
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
data 3
out: USR1
out: bool(true)
out: run() left by USR2
exit 0
