--TEST--
wait() keeps its timeout and runs signal handlers; isRunning(), stream() and the status stay true for ever
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\{Exception, ExitStatus, Process, Signal};

[$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
$until_told = function () use ($theirs): int {
    return (int) fgets($theirs);
};
$readable = function (Process $process, float $seconds): bool {
    $read = [$process->stream()];
    $write = $except = null;
    return stream_select($read, $write, $except, (int) $seconds) === 1;
};
$process = Process::fork($until_told);
var_dump($process->pid > 1, $process->wait(0.0), $process->isRunning(), $readable($process, 0));
$begin = hrtime(true);
var_dump($process->wait(0.05), hrtime(true) - $begin >= 50_000_000);
$handled = 0;
Signal::on('RTMIN', function () use (&$handled, $ours): void {
    if (++$handled === 3) {
        fwrite($ours, "42\n");
    }
});
$parent = getmypid();
$helper = Process::fork(function () use ($parent): void {
    for ($i = 0; $i < 3; $i++) {
        Signal::send($parent, 'RTMIN', $i);         // standard signals coalesce
    }
});
$end = $process->wait();
echo 'code ', $end->code, ', handled while it waited: ', $handled, "\n";
var_dump($process->wait(0.0) == $end, $process->isRunning(), $readable($process, 20), $process->stream() === $process->stream());
var_dump($end instanceof ExitStatus, $end->known, $end->core, $end->userTime >= 0.0, $end->systemTime >= 0.0, $end->peakMemory > 1 << 20);
$helper->wait();
// An exception in a handler leaves the wait; the child is there still.
Signal::on('USR2', fn () => throw new RuntimeException('from a handler'));
$process = Process::fork($until_told);
try {
    $helper = Process::fork(fn () => Signal::send($parent, 'USR2'));
    $process->wait();
} catch (RuntimeException $e) {
    echo $e->getMessage(), ', running: ', json_encode($process->isRunning()), "\n";
}
fwrite($ours, "43\n");
echo 'code ', $process->wait(20.0)->code, "\n";
foreach ([-1.0, NAN] as $timeout) {
    try {
        $process->wait($timeout);
    } catch (Exception\InvalidArgument $e) {
        echo $e->getMessage(), "\n";
    }
}
$busy = Process::fork(function (): void {
    $end = getrusage()['ru_utime.tv_sec'] * 1e6 + getrusage()['ru_utime.tv_usec'] + 50_000;
    while (getrusage()['ru_utime.tv_sec'] * 1e6 + getrusage()['ru_utime.tv_usec'] < $end);
    $memory = str_repeat('x', 50_000_000);
})->wait();
var_dump($busy->userTime >= 0.04, $busy->peakMemory > 50_000_000);
?>
--EXPECT--
bool(true)
NULL
bool(true)
bool(false)
NULL
bool(true)
code 42, handled while it waited: 3
bool(true)
bool(false)
bool(true)
bool(true)
bool(true)
bool(true)
bool(false)
bool(true)
bool(true)
bool(true)
from a handler, running: true
code 43
timeout: must be a number of seconds from 0.0, or null to wait as long as it takes
timeout: must be a number of seconds from 0.0, or null to wait as long as it takes
bool(true)
bool(true)
