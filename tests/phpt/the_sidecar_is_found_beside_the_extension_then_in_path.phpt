--TEST--
The sidecar is found beside the extension, then in PATH
--EXTENSIONS--
rustdaemon
--FILE--
<?php
require __DIR__ . '/include/self_start.php';
$directory = own_directory();
mkdir("$directory/ext");
copy(substr(php()[3], strlen('extension=')), "$directory/ext/rustdaemon.so");
fake_sidecar("$directory/ext");
$php = [PHP_BINARY, '-n', '-d', "extension=$directory/ext/rustdaemon.so"];
$install = "RustDaemon\\Worker::install(socket: '/run/x.sock');";
show_self_start([...$php, '-r', $install], $directory, ['PATH' => '/bin']);
mkdir("$directory/bin");
rename("$directory/ext/rustdaemon", "$directory/bin/rustdaemon");
show_self_start([...$php, '-r', $install], $directory, ['PATH' => "/nowhere:$directory/bin:/bin"]);
array_map('unlink', glob("$directory/*/*"));
?>
--EXPECT--
arg run
arg --socket
arg /run/x.sock
arg --socket-mode=0600
arg --
arg PHP_BINARY
arg -n
arg -d
arg extension=EXTENSION
arg -r
arg RustDaemon\Worker::install(socket: '/run/x.sock');
exit 0
arg run
arg --socket
arg /run/x.sock
arg --socket-mode=0600
arg --
arg PHP_BINARY
arg -n
arg -d
arg extension=EXTENSION
arg -r
arg RustDaemon\Worker::install(socket: '/run/x.sock');
exit 0
