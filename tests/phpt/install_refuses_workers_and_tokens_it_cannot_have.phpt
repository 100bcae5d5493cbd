--TEST--
install() refuses a number of workers out of bounds, and a token
--EXTENSIONS--
rustdaemon
--FILE--
<?php
foreach ([['workers' => 0], ['workers' => -1], ['workers' => 1025], ['token' => 'secret'], ['token' => '']] as $arguments) {
    try {
        RustDaemon\Worker::install(...$arguments);
        echo "accepted\n";
    } catch (RustDaemon\Exception\InvalidArgument $e) {
        echo $e->getMessage(), "\n";
    }
}
try {
    RustDaemon\Worker::install('a', 'b', 0600, null, 1, 2);
} catch (ArgumentCountError $e) {
    echo $e->getMessage(), "\n";
}
?>
--EXPECT--
workers: 0 is not possible: a pool has 1 to 1024 workers
workers: -1 is not possible: a pool has 1 to 1024 workers
workers: 1025 is not possible: a pool has 1 to 1024 workers
token: comes with a later release; until then who may connect is decided by mode: and by the directory of the socket
token: comes with a later release; until then who may connect is decided by mode: and by the directory of the socket
RustDaemon\Worker::install() expects at most 5 arguments, 6 given
