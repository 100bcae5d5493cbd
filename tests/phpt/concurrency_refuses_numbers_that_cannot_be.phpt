--TEST--
Worker::concurrency() takes 1 to 10000, and Request::defer() needs more than 1
--EXTENSIONS--
rustdaemon
--FILE--
<?php
$worker = RustDaemon\Worker::install();
foreach ([0, -1, 10001, PHP_INT_MAX] as $requests) {
    try {
        $worker->concurrency($requests);
    } catch (RustDaemon\Exception\InvalidArgument $why) {
        echo $why->getMessage(), "\n";
    }
}
foreach (['many', []] as $requests) {
    try {
        @$worker->concurrency($requests);
    } catch (TypeError $why) {
        echo $why->getMessage(), "\n";
    }
}
var_dump($worker->concurrency(1) === $worker, $worker->concurrency(10000) === $worker);
?>
--EXPECT--
requests: must be from 1 to 10000, and is 0
requests: must be from 1 to 10000, and is -1
requests: must be from 1 to 10000, and is 10001
requests: must be from 1 to 10000, and is 9223372036854775807
RustDaemon\Worker::concurrency(): Argument #1 ($requests) must be of type int, string given
RustDaemon\Worker::concurrency(): Argument #1 ($requests) must be of type int, array given
bool(true)
bool(true)
