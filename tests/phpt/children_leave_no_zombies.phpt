--TEST--
A Process that is freed before anybody has waited leaves no zombie, and no descriptor
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\Process;

require __DIR__ . '/include/sidecar.php';
$exists = function (int $pid): bool {
    clearstatcache();
    return is_dir("/proc/$pid");
};
$descriptors = fn (): int => count(scandir('/proc/self/fd'));
$pids = [];
[$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
$until_told = fn () => fclose($ours) && fgets($theirs);
// One freed while it runs starts the thread that reaps; then everything that is kept open is open.
$pids[] = Process::fork($until_told)->pid;
var_dump($exists($pids[0]));
$before = $descriptors();
for ($i = 0; $i < 50; $i++) {
    $process = Process::fork($until_told);
    $pids[] = $process->pid;
}
for ($i = 0; $i < 50; $i++) {
    $process = Process::fork(fn () => 0);           // may have ended when it is freed, or not
    $pids[] = $process->pid;
}
unset($process);
fclose($ours);
foreach ($pids as $pid) {
    eventually("process $pid is gone", fn () => !$exists($pid));
}
eventually('the descriptors are closed', fn () => $descriptors() <= $before);
// A child has a thread of its own when it needs one.
$end = Process::fork(function () use ($exists): int {
    $pid = Process::fork(fn () => usleep(1000))->pid;
    eventually('its child is gone', fn () => !$exists($pid));
    return 5;
})->wait();
echo "code $end->code\n";
?>
--EXPECT--
bool(true)
code 5
