--TEST--
SIGTERM and its like are defined by ext-pcntl or by us, with the same numbers as Signal's
--EXTENSIONS--
rustdaemon
--FILE--
<?php
use RustDaemon\Signal;

foreach ((new ReflectionClass(Signal::class))->getConstants() as $name => $number) {
    if (!defined("SIG$name") || constant("SIG$name") !== $number) {
        echo "SIG$name is missing or different\n";
    }
}
var_dump(SIGTERM, SIGRTMAX, Signal::KILL);
?>
--EXPECT--
int(15)
int(64)
int(9)
