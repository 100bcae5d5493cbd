--TEST--
In a PID namespace of their own children do not take their parent for dead: it has no number there
--EXTENSIONS--
rustdaemon
pcntl
posix
--SKIPIF--
<?php
if (posix_geteuid() !== 0) {
    die('skip only root may make a namespace');
}
?>
--FILE--
<?php
use RustDaemon\Process;

pcntl_unshare(CLONE_NEWPID) or die("no namespace\n");
// The first one is its init: the namespace ends with it.
$gate = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
$init = Process::fork(function () use ($gate) {
    fclose($gate[0]);
    fgets($gate[1]);
    return 1;
});
fclose($gate[1]);
foreach ([2, 3] as $code) {
    echo Process::fork(fn () => $code)->wait(10.0)->code, "\n";
}
fclose($gate[0]);
echo $init->wait(10.0)->code, "\n";
?>
--EXPECT--
2
3
1
