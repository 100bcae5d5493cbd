--TEST--
A child by pcntl_fork() has the handlers, none of its parent's waiting signals, and dies of TERM until it asks
--EXTENSIONS--
rustdaemon
ffi
pcntl
posix
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks');
--FILE--
<?php
use RustDaemon\{Signal, SignalInfo};

require __DIR__ . '/include/sidecar.php';
$child = function (callable $main): string {
    $pid = pcntl_fork();
    if ($pid === 0) {
        register_shutdown_function(fn () => posix_kill(getmypid(), SIGKILL)); // not the parent's output
        $code = $main();
        FFI::cdef('void _exit(int code);')->_exit($code);
    }
    pcntl_waitpid($pid, $status);
    return pcntl_wifsignaled($status) ? 'killed by ' . pcntl_wtermsig($status) : 'exit ' . pcntl_wexitstatus($status);
};
$worker = RustDaemon\Worker::install();
$calls = [];
Signal::on(['USR1', 'RTMIN'], function (SignalInfo $info) use (&$calls): void {
    $calls[] = $info->name;
});
$stream = Signal::stream();
$readable = function () use ($stream): bool {
    $read = [$stream];
    $write = $except = null;
    return stream_select($read, $write, $except, 0) === 1;
};
echo 'waiting signals: ', Signal::critical(function () use ($child, &$calls, $readable): string {
    Signal::send(getmypid(), 'USR1');
    Signal::send(getmypid(), 'RTMIN', 1);
    return $child(function () use (&$calls, $readable): int {
        $none = Signal::pending() === [] && !$readable();
        Signal::send(getmypid(), 'RTMIN', 2);
        return $none && count(Signal::pending()) === 1 && $readable() ? 5 : 6;
    });
}), ', parent: ', implode(' ', $calls), "\n";
Signal::dispatch();
echo 'handlers: ', $child(function () use (&$calls): int {
    $calls = [];
    Signal::send(getmypid(), 'USR1');
    return $calls === ['SIGUSR1'] ? 5 : 6;
}), ', the parent is not woken: ', json_encode($readable()), "\n";
echo 'TERM in a child that never asks: ', $child(function (): int {
    Signal::send(getmypid(), 'TERM');
    return 6;
}), "\n";
echo 'TERM in a child that asks: ', $child(function () use ($worker): int {
    $before = $worker->shouldStop();
    Signal::send(getmypid(), 'TERM');
    return !$before && $worker->shouldStop() && Signal::last('TERM')->senderPid === getmypid() ? 5 : 6;
}), "\n";
Signal::send(getmypid(), 'TERM');
echo 'a parent that was told to stop, its child not: ', $child(fn (): int => $worker->shouldStop() ? 6 : 5), "\n";
var_dump($worker->shouldStop());
// Inside a handler: the parent's other signals are not the child's.
$calls = [];
Signal::on('USR2', function () use ($child): void {
    echo 'in a handler: ', $child(fn (): int => Signal::pending() === [] ? 5 : 6), "\n";
});
Signal::critical(function (): void {
    Signal::send(getmypid(), 'USR2');
    Signal::send(getmypid(), 'USR1');
});
echo 'parent: ', implode(' ', $calls), "\n";
?>
--EXPECT--
waiting signals: exit 5, parent: SIGUSR1 SIGRTMIN
handlers: exit 5, the parent is not woken: false
TERM in a child that never asks: killed by 15
TERM in a child that asks: exit 5
a parent that was told to stop, its child not: exit 5
bool(true)
in a handler: exit 5
parent: SIGUSR1
