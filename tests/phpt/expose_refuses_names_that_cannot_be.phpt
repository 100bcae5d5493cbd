--TEST--
expose() refuses names that are impossible, reserved or taken
--EXTENSIONS--
rustdaemon
--FILE--
<?php
$worker = RustDaemon\Worker::install();
$names = ['', 'two words', "a\n", str_repeat('x', 129), 'ping', 'daemon.status', 'worker.x', 'farm.list', 'system.listMethods',
    'taken'];
$worker->expose('taken', fn () => 1)->expose('plc.read:v1/a-b_C', fn () => 1)->expose('pinger', fn () => 1);
foreach ($names as $name) {
    try {
        $worker->expose($name, fn () => 1);
        echo "accepted\n";
    } catch (RustDaemon\Exception\InvalidArgument $e) {
        echo $e->getMessage(), "\n";
    }
}
foreach ([['x', 'no_such_function'], ['x'], [[], 'strlen']] as $arguments) {
    try {
        $worker->expose(...$arguments);
        echo "accepted\n";
    } catch (TypeError $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }
}
?>
--EXPECT--
method: "" is not a method's name: 1 to 128 of the characters A-Z a-z 0-9 _ . : / -, or * for the rest
method: "two words" is not a method's name: 1 to 128 of the characters A-Z a-z 0-9 _ . : / -, or * for the rest
method: "a�" is not a method's name: 1 to 128 of the characters A-Z a-z 0-9 _ . : / -, or * for the rest
method: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" is not a method's name: 1 to 128 of the characters A-Z a-z 0-9 _ . : / -, or * for the rest
method: "ping" is reserved: ping and all names that begin with daemon. worker. farm. system. belong to the daemon
method: "daemon.status" is reserved: ping and all names that begin with daemon. worker. farm. system. belong to the daemon
method: "worker.x" is reserved: ping and all names that begin with daemon. worker. farm. system. belong to the daemon
method: "farm.list" is reserved: ping and all names that begin with daemon. worker. farm. system. belong to the daemon
method: "system.listMethods" is reserved: ping and all names that begin with daemon. worker. farm. system. belong to the daemon
method: "taken" is exposed already
TypeError: RustDaemon\Worker::expose(): Argument #2 ($handler) must be a valid callback, function "no_such_function" not found or invalid function name
ArgumentCountError: RustDaemon\Worker::expose() expects at least 2 arguments, 1 given
TypeError: RustDaemon\Worker::expose(): Argument #1 ($method) must be of type string, array given
