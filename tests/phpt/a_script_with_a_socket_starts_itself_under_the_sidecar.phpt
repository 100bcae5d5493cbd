--TEST--
A script with a socket becomes the sidecar in its own pid, with its own command line at the end
--EXTENSIONS--
rustdaemon
--FILE--
<?php
require __DIR__ . '/include/self_start.php';
$script = <<<'PHP'
    echo 'pid ', getmypid(), "\n";
    fwrite(STDOUT, "raw\n");
    ob_start(fn ($text) => strtoupper($text));
    echo "buffered\n";
    RustDaemon\Worker::install(socket: '/run/x.sock', mode: 0660, name: 'opcua', workers: 3);
    echo "never\n";
    PHP;
self_start($script, arguments: ['--a=b', '', 'two words', "caf\u{e9}"]);
?>
--EXPECT--
raw
BUFFERED
arg run
arg --socket
arg /run/x.sock
arg --socket-mode=0660
arg --name=opcua
arg --workers=3
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
arg --a=b
arg 
arg two words
arg café
exit 0
the same pid
