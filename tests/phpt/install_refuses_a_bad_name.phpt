--TEST--
install() refuses a name that cannot be a pool's name
--EXTENSIONS--
rustdaemon
--FILE--
<?php
foreach (['', 'two words', 'opcua#0', 'a/b', "line\n", "caf\xC3\xA9", "\xFF", str_repeat('x', 65)] as $name) {
    try {
        RustDaemon\Worker::install(name: $name);
        echo "accepted\n";
    } catch (RustDaemon\Exception\InvalidArgument $e) {
        echo $e->getMessage(), "\n";
    }
}
echo RustDaemon\Worker::install(name: 'Aa0._-')->name, "\n";
?>
--EXPECT--
name: "" is not a pool's name: 1 to 64 of the characters A-Z a-z 0-9 . _ -
name: "two words" is not a pool's name: 1 to 64 of the characters A-Z a-z 0-9 . _ -
name: "opcua#0" is not a pool's name: 1 to 64 of the characters A-Z a-z 0-9 . _ -
name: "a/b" is not a pool's name: 1 to 64 of the characters A-Z a-z 0-9 . _ -
name: "line�" is not a pool's name: 1 to 64 of the characters A-Z a-z 0-9 . _ -
name: "café" is not a pool's name: 1 to 64 of the characters A-Z a-z 0-9 . _ -
name: "�" is not a pool's name: 1 to 64 of the characters A-Z a-z 0-9 . _ -
name: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" is not a pool's name: 1 to 64 of the characters A-Z a-z 0-9 . _ -
Aa0._-
