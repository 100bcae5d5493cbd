--TEST--
A child that a handler of pcntl_signal() forks has no signal blocked and none of its parent's handlers
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php
if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks');
if (!function_exists('pcntl_signal')) die('skip needs pcntl');
--FILE--
<?php
use RustDaemon\{Process, Signal};

pcntl_async_signals(true);
[$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
$process = null;
$handled = 0;
pcntl_signal(SIGTERM, function () use (&$handled): void { $handled++; });
pcntl_signal(Signal::RTMIN + 2, function (): void {});
pcntl_signal(SIGUSR2, SIG_IGN);
pcntl_signal(SIGUSR1, function () use (&$process, $theirs): void {
    $process = Process::fork(function () use ($theirs): void {
        Signal::on('ALRM', fn () => fwrite($theirs, "its own handler\n"));
        pcntl_sigprocmask(SIG_UNBLOCK, [SIGWINCH], $blocked);
        $ignored = pcntl_signal_get_handler(SIGUSR2) === SIG_IGN ? 'USR2 ignored' : 'USR2 not ignored';
        fwrite($theirs, json_encode([$blocked, pcntl_signal_get_handler(SIGTERM), pcntl_signal_get_handler(SIGUSR1), $ignored]) . "\n");
        Signal::send(getmypid(), 'ALRM');
        while (true) {
            sleep(60);
        }
    });
});
Signal::send(getmypid(), 'USR1');
echo fgets($ours), fgets($ours);
// By the signals, and not by the KILL that would come in the end.
echo $process->terminate(20.0)->signalName, ', ';
Signal::send(getmypid(), 'USR1');
fgets($ours);
fgets($ours);
$process->signal(Signal::RTMIN + 2);
echo $process->wait(60.0)->signalName, ", the parent's handler: ";
Signal::send(getmypid(), 'TERM');
echo $handled, ', blocked in the parent: ';
pcntl_sigprocmask(SIG_UNBLOCK, [SIGWINCH], $blocked);
echo json_encode($blocked), "\n";
?>
--EXPECT--
[[],0,0,"USR2 ignored"]
its own handler
SIGTERM, SIGRTMIN+2, the parent's handler: 1, blocked in the parent: []
