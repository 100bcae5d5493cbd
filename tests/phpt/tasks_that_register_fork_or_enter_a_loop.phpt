--TEST--
A task may register tasks, itself too; it cannot enter a loop; a child that it forks off leaves the loop and has tasks of its own only
--EXTENSIONS--
rustdaemon
pcntl
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
run_php(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $left = 3;
    $again = function () use (&$again, &$left, $worker) {
        echo "again $left\n";
        if (--$left > 0) {
            $worker->after(0.0, $again);
        }
    };
    $worker->after(0.0, $again);
    $worker->tick(0.0); // a turn for each: it was not due when the first one began
    echo "a turn\n";
    $worker->tick(0.0);
    $worker->tick(0.0);
    echo "-- 10 000\n";
    $calls = 0;
    $all = function () use (&$calls, $worker) {
        for ($i = 0; $i < 10000; $i++) {
            $worker->after(($i % 100) / 1e4, function () use (&$calls, $i) { $calls++; });
        }
    };
    $worker->after(0.0, $all);
    while ($calls < 10000) {
        $worker->tick(10.0);
    }
    var_dump($calls);
    echo "-- the same twice\n";
    $calls = 0;
    $twice = function () use (&$calls) { $calls++; };
    $worker->after(0.0, $twice)->after(0.0, $twice);
    $worker->tick(0.0);
    var_dump($calls);
    echo "-- loops\n";
    foreach (['run', 'tick'] as $loop) {
        $worker->after(0.0, function () use ($worker, $loop) {
            try {
                $loop === 'run' ? $worker->run() : $worker->tick(0.0);
            } catch (RustDaemon\Exception\NotAllowedHere $e) {
                echo $e->getMessage(), "\n";
            }
        });
    }
    $worker->tick(0.0);
    PHP);
echo "-- fork\n";
run_php(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $parent = getmypid();
    $worker->every(0.001, function () use ($parent) {
        if (getmypid() !== $parent) {
            echo "the parent's task in the child\n";
        }
    });
    $worker->after(0.0, function () {
        if (pcntl_fork() !== 0) {
            pcntl_wait($status);
        }
    })->after(0.0, fn () => print getmypid() === $parent ? "second\n" : "second in the child\n");
    $went_on = $worker->tick(0.0);
    if (getmypid() !== $parent) {
        echo json_encode($went_on), "\n";
        $worker->sleep(0.01);
        $worker->after(0.001, fn () => print "the child's own\n");
        $worker->tick(60.0);
        exit;
    }
    echo json_encode($went_on), "\n";
    PHP);
?>
--EXPECT--
again 3
a turn
again 2
again 1
-- 10 000
int(10000)
-- the same twice
int(2)
-- loops
RustDaemon\Worker::run() cannot be called while a task of this worker runs: one task at a time
RustDaemon\Worker::tick() cannot be called while a task of this worker runs: one task at a time
exit 0
-- fork
false
the child's own
second
true
exit 0
