--TEST--
Where poll(2) is refused because the limit of open files was lowered, a wait waits: for children, for signals, for the clock
--EXTENSIONS--
rustdaemon
posix
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\{ExitStatus, Process, Signal, Worker};

require __DIR__ . '/include/sidecar.php';

$limit = fn (int $files) => posix_setrlimit(POSIX_RLIMIT_NOFILE, $files, (int) posix_getrlimit()['hard openfiles'] ?: 1000);
[$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
$process = Process::fork(function (): int {
    usleep(200_000);
    return 7;
});
$listens = Process::fork(function () use ($theirs): int {
    Signal::wait(0.0, 'TERM');
    fwrite($theirs, "ready\n");
    return Signal::wait(60.0, 'TERM') === null ? 8 : 9;
});
fgets($ours);
for ($i = 0; $i < 20; $i++) {
    Process::fork(function () use ($ours, $theirs): void {
        fclose($ours);
        fgets($theirs);
    });                                             // nobody waits for these
}
Process::fork(fn () => fclose($ours) && sleep(600)); // nor for this one, which dies with this process
$worker = Worker::install();
Signal::wait(0.0, 'USR1');
$limit(0);
echo 'wait(): ', $process->wait(60.0)?->code, "\n";
echo 'terminate(): ', (fn (): ExitStatus => $listens->terminate(20.0))()->code, "\n";
$slept = function (callable $sleep): void {
    $begin = hrtime(true);
    $sleep();
    echo hrtime(true) - $begin >= 100_000_000 ? 'slept' : 'not slept', "\n";
};
$slept(fn () => $worker->sleep(0.1));
$slept(fn () => Signal::wait(0.1, 'USR1'));
Signal::send(getmypid(), 'USR1');
echo Signal::wait(20.0, 'USR1')?->name, "\n";
// The thread that reaps looks after more children than files may be open.
fclose($ours);
fclose($theirs);
$limit(12);
$children = '/proc/self/task/' . getmypid() . '/children';
$count = fn (): int => count(explode(' ', trim(file_get_contents($children))));
eventually('they are reaped', fn () => $count() === 1, fn () => "{$count()} children");
$limit(1);                                          // and it ends with the script
?>
script ends
--EXPECT--
wait(): 7
terminate(): 9
slept
slept
SIGUSR1
script ends
