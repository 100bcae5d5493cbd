--TEST--
Without a sidecar tick() waits out its timeout and run() ends by a signal
--EXTENSIONS--
rustdaemon
pcntl
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
run_php(<<<'PHP'
    $worker = RustDaemon\Worker::install(name: 'alone');
    $worker->expose('never', fn () => print "called\n");
    $start = hrtime(true);
    var_dump($worker->tick(0.2), hrtime(true) - $start >= 2e8, $worker->supervised(), $worker->shouldStop());
    posix_kill(getmypid(), SIGTERM);
    var_dump($worker->shouldStop(), $worker->tick(60.0), $worker->tick(null), $worker->run());
    PHP, options: ['-d', 'extension=posix']);
run_php(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    pcntl_async_signals(true);
    pcntl_signal(SIGALRM, function () {
        echo "alarm\n";
        posix_kill(getmypid(), SIGINT);
    });
    pcntl_alarm(1);
    var_dump($worker->run());
    PHP, options: ['-d', 'extension=posix']);
?>
--EXPECT--
bool(true)
bool(true)
bool(false)
bool(false)
bool(true)
bool(false)
bool(false)
int(0)
exit 0
alarm
int(0)
exit 0
