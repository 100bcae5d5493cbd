--TEST--
After fclose(STDIN) the next file has its number, and is the child's too
--EXTENSIONS--
rustdaemon
--FILE--
<?php
use RustDaemon\Process;

$stdin = Process::fork(fn () => fgets(STDIN) === false ? 7 : 8); // what comes there is the parent's
echo $stdin->wait()->code, "\n";
fclose(STDIN);
$log = fopen(__DIR__ . '/descriptor_0.log', 'w+');
echo readlink('/proc/self/fd/0') === stream_get_meta_data($log)['uri'] ? "it is 0\n" : "it is not 0\n";
$child = Process::fork(function () use ($log) {
    return fwrite($log, "from the child\n") === false ? 1 : 0;
});
echo $child->wait()->code, "\n";
rewind($log);
echo stream_get_contents($log);
fclose($log);
[$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
$child = Process::fork(function () use ($theirs) {
    return fgets($theirs) === "job\n" ? 0 : 1;
});
fwrite($ours, "job\n");
echo $child->wait()->code, "\n";
?>
--STDIN--
for the parent
--CLEAN--
<?php
@unlink(__DIR__ . '/descriptor_0.log');
?>
--EXPECT--
7
it is 0
0
from the child
0
