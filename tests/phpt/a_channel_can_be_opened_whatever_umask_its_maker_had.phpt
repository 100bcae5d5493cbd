--TEST--
A channel that was made under any umask can be opened: its segment and its FIFO are its owner's
--EXTENSIONS--
rustdaemon
posix
pcntl
--SKIPIF--
<?php
if (posix_geteuid() !== 0) {
    die('skip root gives itself away for this: it may open everything');
}
?>
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;

$name = own_name();
$pid = pcntl_fork();
if ($pid === 0) {
    posix_setgid(65534);
    posix_setuid(65534);
    umask(0777);
    Channel::open($name)->send('made');
    umask(0022);
    echo Channel::open($name)->receive(0.0), "\n";
    foreach (glob("/dev/shm/rustdaemon-65534-channel-$name*") as $file) {
        printf("%s %o\n", filetype($file), fileperms($file) & 07777);
        unlink($file);
    }
    posix_kill(getmypid(), SIGKILL);
}
pcntl_waitpid($pid, $status);
?>
--EXPECT--
made
file 600
fifo 600
