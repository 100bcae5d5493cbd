--TEST--
A status that pcntl_wait() took, or that nobody keeps because SIGCHLD is ignored, is unknown; nothing hangs, and nothing of others is taken
--EXTENSIONS--
rustdaemon
pcntl
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\{Process, Signal};

$process = Process::fork(fn () => 7);
echo pcntl_wait($status) === $process->pid ? 'stolen: ' : 'what? ', pcntl_wexitstatus($status), "\n";
$end = $process->wait();
echo json_encode($end), "\n";
var_dump($process->isRunning());
$process->signal('TERM');
echo json_encode($process->terminate() == $end), "\n";
pcntl_signal(SIGCHLD, SIG_IGN);
for ($i = 0; $i < 20; $i++) {
    $end = Process::fork(fn () => 7)->wait();
    if ($end->known || $end->code !== null) {
        echo "known?\n";
    }
}
$process = Process::fork(fn () => sleep(60));
var_dump($process->wait(0.0), $process->isRunning());
echo json_encode($process->terminate()->known), "\n";
pcntl_signal(SIGCHLD, SIG_DFL);
// Others' children are others'.
$others = proc_open([PHP_BINARY, '-n', '-r', 'fgets(STDIN); exit(6);'], [['pipe', 'r'], STDOUT, STDERR], $pipes);
$ours = Process::fork(fn () => 5);
$pid = pcntl_fork();
if ($pid === 0) {
    exec('true');
    Signal::send(getmypid(), 'KILL');
}
echo 'ours ', $ours->wait()->code;
fclose($pipes[0]);
do {
    $status = proc_get_status($others);
} while ($status['running']);
echo ', others ', $status['exitcode'];
pcntl_waitpid($pid, $status);
echo ', ', pcntl_wifexited($status) ? pcntl_wexitstatus($status) : 'killed ' . pcntl_wtermsig($status), ', exec ', exec('echo works; exit 3', $output, $code), " $code\n";
?>
--EXPECT--
stolen: 7
{"code":null,"signal":null,"signalName":null,"core":false,"known":false,"userTime":0,"systemTime":0,"peakMemory":0}
bool(false)
true
NULL
bool(true)
false
ours 5, others 6, killed 9, exec works 3
