--TEST--
tick() refuses a timeout that is negative or not a number
--EXTENSIONS--
rustdaemon
--FILE--
<?php
$worker = RustDaemon\Worker::install();
foreach ([-0.1, NAN, -INF] as $timeout) {
    try {
        $worker->tick($timeout);
        echo "accepted\n";
    } catch (RustDaemon\Exception\InvalidArgument $e) {
        echo $e->getMessage(), "\n";
    }
}
foreach ([[], ['soon'], [1, 2]] as $arguments) {
    try {
        $worker->tick(...$arguments);
        echo "accepted\n";
    } catch (TypeError $e) {
        echo $e->getMessage(), "\n";
    }
}
try {
    $worker->run(1);
} catch (ArgumentCountError $e) {
    echo $e->getMessage(), "\n";
}
var_dump($worker->tick(0.0), $worker->tick(0), $worker->tick(-0.0));
?>
--EXPECT--
timeout: must be a number of seconds from 0.0, or null to wait as long as it takes
timeout: must be a number of seconds from 0.0, or null to wait as long as it takes
timeout: must be a number of seconds from 0.0, or null to wait as long as it takes
RustDaemon\Worker::tick() expects exactly 1 argument, 0 given
RustDaemon\Worker::tick(): Argument #1 ($timeout) must be of type ?float, string given
RustDaemon\Worker::tick() expects exactly 1 argument, 2 given
RustDaemon\Worker::run() expects exactly 0 arguments, 1 given
bool(true)
bool(true)
bool(true)
