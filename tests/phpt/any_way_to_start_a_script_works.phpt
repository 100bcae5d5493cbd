--TEST--
-r, -d, a shebang, a php found by PATH and a relative script start again as they were
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip valgrind puts the path of a program into its argv[0]');
--FILE--
<?php
require __DIR__ . '/include/self_start.php';
$directory = own_directory();
$sidecar = fake_sidecar($directory);
$install = "RustDaemon\\Worker::install(socket: '/run/x.sock');";
file_put_contents("$directory/script.php", "#!/usr/bin/env -S " . implode(' ', php('-d', "rustdaemon.sidecar=$sidecar")) . "\n<?php $install");
chmod("$directory/script.php", 0755);
mkdir("$directory/bin");
symlink(PHP_BINARY, "$directory/bin/php");
$php = php('-d', "rustdaemon.sidecar=$sidecar");
$path = ['PATH' => "$directory/bin:" . getenv('PATH')];
show_self_start([...$php, '-r', $install], $directory);
show_self_start(["$directory/script.php", 'x'], $directory);
show_self_start(['env', '-C', $directory, 'php', ...array_slice($php, 1), 'script.php'], $directory, $path);
show_self_start(['env', '-C', $directory, 'bin/php', ...array_slice($php, 1), './script.php'], $directory, $path);
show_self_start(['bash', '-c', 'exec -a "no such php" "$@"', '-', ...$php, '-r', $install], $directory);
unlink("$directory/bin/php");
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
arg -d
arg zend.assertions=1
arg -d
arg rustdaemon.sidecar=DIRECTORY/rustdaemon
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
arg -d
arg zend.assertions=1
arg -d
arg rustdaemon.sidecar=DIRECTORY/rustdaemon
arg DIRECTORY/script.php
arg x
exit 0
arg run
arg --socket
arg /run/x.sock
arg --socket-mode=0600
arg --
arg php
arg -n
arg -d
arg extension=EXTENSION
arg -d
arg zend.assertions=1
arg -d
arg rustdaemon.sidecar=DIRECTORY/rustdaemon
arg script.php
exit 0
arg run
arg --socket
arg /run/x.sock
arg --socket-mode=0600
arg --
arg bin/php
arg -n
arg -d
arg extension=EXTENSION
arg -d
arg zend.assertions=1
arg -d
arg rustdaemon.sidecar=DIRECTORY/rustdaemon
arg ./script.php
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
arg -d
arg zend.assertions=1
arg -d
arg rustdaemon.sidecar=DIRECTORY/rustdaemon
arg -r
arg RustDaemon\Worker::install(socket: '/run/x.sock');
exit 0
