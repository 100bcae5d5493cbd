--TEST--
terminate() asks with TERM and ends with KILL after the grace; signal() reaches the child alone
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\{Exception, Process, Signal};

/** Says when it is ready, so that no signal comes too early. */
function ready(callable $main): Process
{
    [$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
    $process = Process::fork(fn () => $main(fn () => fwrite($theirs, "ready\n")));
    fgets($ours);
    return $process;
}
$show = function (string $what, RustDaemon\ExitStatus $end): void {
    echo "$what: code ", json_encode($end->code), ', signal ', json_encode($end->signalName), "\n";
};
$for_ever = function (callable $ready): void {
    $ready();
    while (true) {
        sleep(60);
    }
};
// A handler of the parent's is not the child's: TERM ends it.
Signal::on('TERM', fn () => print "never\n");
$process = ready($for_ever);
$show('TERM', $process->terminate());
$show('once more', $process->terminate(0.0));
$show('no grace', ready($for_ever)->terminate(0.0));
$show('it listens', ready(function (callable $ready): int {
    Signal::wait(0.0, 'TERM');                     // from here on it is kept
    $ready();
    return Signal::wait(60.0, 'TERM') === null ? 8 : 7;
})->terminate());
$begin = hrtime(true);
$show('it does not listen', ready(function (callable $ready) use ($for_ever): void {
    Signal::ignore('TERM');
    $for_ever($ready);
})->terminate(0.1));
var_dump(hrtime(true) - $begin >= 100_000_000);
$stopped = ready($for_ever);
$stopped->signal('STOP');
$show('it is stopped', $stopped->terminate());
$process = ready(function (callable $ready): int {
    Signal::wait(0.0, 'USR1');
    $ready();
    return Signal::wait(60.0, 'USR1')->signal;
});
$process->signal(Signal::USR1);
$show('USR1', $process->wait());
$process->signal('KILL');                          // nobody gets it
$process = ready($for_ever);
$process->signal('KILL');
$end = $process->wait();
$show('KILL', $end);
var_dump($end->signal, $end->core);
try {
    $process->signal('SIGNONSENSE');
} catch (Exception\InvalidArgument $e) {
    echo get_class($e), "\n";
}
// null waits as long as it takes, as everywhere, and is not SIGKILL at once.
$show('as long as it takes', ready(function (callable $ready): int {
    Signal::wait(0.0, 'TERM');
    $ready();
    Signal::wait(60.0, 'TERM');
    usleep(200_000);
    return 9;
})->terminate(null));
try {
    $process->terminate(-1.0);
} catch (Exception\InvalidArgument $e) {
    echo $e->getMessage(), "\n";
}
?>
--EXPECT--
TERM: code null, signal "SIGTERM"
once more: code null, signal "SIGTERM"
no grace: code null, signal "SIGKILL"
it listens: code 7, signal null
it does not listen: code null, signal "SIGKILL"
bool(true)
it is stopped: code null, signal "SIGTERM"
USR1: code 10, signal null
KILL: code null, signal "SIGKILL"
int(9)
bool(false)
RustDaemon\Exception\InvalidArgument
as long as it takes: code 9, signal null
grace: must be a number of seconds from 0.0, or null to wait as long as it takes
