--TEST--
The first turn comes its period after ready, never before onStart has succeeded, and not in onStart, onStop or a signal handler
--EXTENSIONS--
rustdaemon
pcntl
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
run_php(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $task = function () use (&$ready) { echo 'task ', json_encode(hrtime(true) - $ready >= 3e7), "\n"; };
    $worker->after(0.03, $task);
    usleep(40000);
    $tries = 0;
    $worker->onStart(function () use ($worker, $task, &$tries, &$ready) {
        $worker->sleep(0.02);
        $worker->tick(0.0);
        if ($tries++ === 0) {
            throw new DomainException('no PLC');
        }
        $worker->after(0.03, $task);
        echo "start\n";
        $ready = hrtime(true);
    });
    $worker->onStop(function () use ($worker, $task) {
        $worker->after(0.0, $task);
        $worker->sleep(0.01);
        echo "stop\n";
    });
    try {
        $worker->tick(0.0);
    } catch (DomainException $e) {
        echo $e->getMessage(), "\n";
    }
    usleep(40000);
    $worker->tick(0.0);
    $worker->tick(60.0);
    echo "-- a signal handler\n";
    RustDaemon\Signal::on('USR1', function () use ($worker) {
        $worker->after(0.0, fn () => print "task\n");
        $worker->sleep(0.01);
        $worker->shouldStop();
        $worker->tick(0.0);
        echo "handler\n";
    });
    posix_kill(getmypid(), SIGUSR1);
    $worker->tick(60.0);
    posix_kill(getmypid(), SIGTERM);
    var_dump($worker->run());
    PHP, options: ['-d', 'extension=posix']);
?>
--EXPECT--
no PLC
start
task true
task true
-- a signal handler
handler
task
stop
int(0)
exit 0
