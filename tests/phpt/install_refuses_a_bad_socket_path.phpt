--TEST--
install() refuses a socket path that cannot be bound, before anything is started
--EXTENSIONS--
rustdaemon
--FILE--
<?php
chdir('/');
$paths = ['', "a\0b", 'unix:///run/x.sock', '/run/', '/' . str_repeat('x', 107), str_repeat('x', 107)];
foreach ($paths as $path) {
    try {
        RustDaemon\Worker::install(socket: $path);
        echo "accepted\n";
    } catch (RustDaemon\Exception\InvalidArgument $e) {
        echo $e->getMessage(), "\n";
    }
}
?>
--EXPECT--
socket: is an empty string; give a path, or null for none
socket: "a�b" contains a NUL byte
socket: "unix:///run/x.sock" is a URL; give the path of a Unix socket
socket: "/run/" is a directory; give the path of a Unix socket
socket: "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" has 108 bytes; the path of a Unix socket has at most 107
socket: "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" has 108 bytes; the path of a Unix socket has at most 107
