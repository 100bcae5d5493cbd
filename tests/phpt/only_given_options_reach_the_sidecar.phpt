--TEST--
The sidecar gets --name and --workers only when given; a relative socket belongs to the directory of the call
--EXTENSIONS--
rustdaemon
--FILE--
<?php
require __DIR__ . '/include/self_start.php';
self_start(<<<'PHP'
    mkdir('sub');
    chdir('sub');
    RustDaemon\Worker::install(socket: './x.sock');
    PHP, show: ['arg', 'cwd']);
?>
--EXPECT--
arg run
arg --socket
arg DIRECTORY/sub/x.sock
arg --socket-mode=0600
arg --
arg PHP_BINARY
arg -n
arg -d
arg extension=EXTENSION
arg -d
arg zend.assertions=1
arg -d
arg rustdaemon.sidecar=DIRECTORY/rustdaemon
arg DIRECTORY/script.php
cwd DIRECTORY
exit 0
