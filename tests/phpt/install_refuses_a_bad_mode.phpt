--TEST--
install() refuses a mode that is no permission bits, and says what to write
--EXTENSIONS--
rustdaemon
--FILE--
<?php
use RustDaemon\Worker;

foreach ([660, 600, -1, 512, 0777 + 1, 999, 'rw', '', '0888', '01777', '0x1ff', ' 0660'] as $mode) {
    try {
        Worker::install(mode: $mode);
        echo "accepted\n";
    } catch (RustDaemon\Exception\InvalidArgument $e) {
        echo $e->getMessage(), "\n";
    }
}
foreach ([1.5, null, []] as $mode) {
    try {
        Worker::install(mode: $mode);
        echo "accepted\n";
    } catch (TypeError $e) {
        echo $e->getMessage(), "\n";
    }
}
foreach ([0, 0777, 0660, '0660', '660', '0o660'] as $mode) {
    echo get_class(Worker::install(mode: $mode)), "\n";
}
?>
--EXPECT--
mode: 660 is decimal; octal is written with a zero: 0660
mode: 600 is decimal; octal is written with a zero: 0600
mode: -1 is not possible: permission bits are 0 to 0777
mode: 512 is decimal; octal is written with a zero: 0512
mode: 512 is decimal; octal is written with a zero: 0512
mode: 999 is not possible: permission bits are 0 to 0777
mode: "rw" is not an octal number from 0 to 0777, such as "0660"
mode: "" is not an octal number from 0 to 0777, such as "0660"
mode: "0888" is not an octal number from 0 to 0777, such as "0660"
mode: "01777" is not an octal number from 0 to 0777, such as "0660"
mode: "0x1ff" is not an octal number from 0 to 0777, such as "0660"
mode: " 0660" is not an octal number from 0 to 0777, such as "0660"
RustDaemon\Worker::install(): Argument #3 ($mode) must be of type string|int, float given
RustDaemon\Worker::install(): Argument #3 ($mode) must be of type string|int, null given
RustDaemon\Worker::install(): Argument #3 ($mode) must be of type string|int, array given
RustDaemon\Worker
RustDaemon\Worker
RustDaemon\Worker
RustDaemon\Worker
RustDaemon\Worker
RustDaemon\Worker
