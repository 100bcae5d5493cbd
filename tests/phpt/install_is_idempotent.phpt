--TEST--
A second install() returns the same worker
--EXTENSIONS--
rustdaemon
--FILE--
<?php
$worker = RustDaemon\Worker::install(name: 'first');
var_dump(RustDaemon\Worker::install() === $worker, RustDaemon\Worker::install(name: 'second')->name);
try {
    RustDaemon\Worker::install(name: '');
} catch (RustDaemon\Exception\InvalidArgument $e) {
    echo $e->getMessage(), "\n";
}
?>
--EXPECT--
bool(true)
string(5) "first"
name: "" is not a pool's name: 1 to 64 of the characters A-Z a-z 0-9 . _ -
