--TEST--
The sidecar gets the environment, directory and command line that the process was started with
--EXTENSIONS--
rustdaemon
--FILE--
<?php
require __DIR__ . '/include/self_start.php';
self_start(<<<'PHP'
    putenv('CHANGED=after');
    putenv('ADDED=x');
    putenv('PATH=/nowhere');
    $_ENV['ADDED'] = 'x';
    cli_set_process_title('something else entirely, and long enough to run over the environment');
    chdir('/');
    RustDaemon\Worker::install(socket: '/run/x.sock');
    PHP, environment: ['CHANGED' => 'before'], show: ['arg', 'cwd', 'env']);
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
arg DIRECTORY/script.php
cwd DIRECTORY
env CHANGED=before
env PATH as at the start
exit 0
