--TEST--
What the script had opened is closed at the self-start, LISTEN_FDS excepted; signals are as at the start
--EXTENSIONS--
rustdaemon
ffi
posix
pcntl
--FILE--
<?php
require __DIR__ . '/include/self_start.php';
$script = <<<'PHP'
    $libc = FFI::cdef('int dup2(int, int); int fcntl(int, int, ...);');
    $file = fopen('/dev/zero', 'r');
    $socket = stream_socket_server('tcp://127.0.0.1:0');
    foreach ([3, 4, 50] as $fd) {
        $libc->dup2(0, $fd); // inheritable, as LISTEN_FDS are
    }
    pcntl_signal(SIGUSR1, SIG_IGN);
    pcntl_sigprocmask(SIG_BLOCK, [SIGTERM, SIGHUP]);
    RustDaemon\Worker::install(socket: '/run/x.sock');
    PHP;
self_start($script, options: ['-d', 'extension=ffi'], show: ['fd', 'sig']);
echo "-- LISTEN_FDS\n";
self_start($script, options: ['-d', 'extension=ffi'], show: ['fd'], wrapper: 'export LISTEN_PID=$$ LISTEN_FDS=2; exec "$@"');
echo "-- nohup\n";
self_start($script, options: ['-d', 'extension=ffi'], show: ['sig'], wrapper: 'trap "" HUP; exec "$@"');
?>
--EXPECT--
fd 0 FILE
fd 1 pipe
fd 2 pipe
sig SigBlk: 0000000000000000
sig SigIgn: 0000000000000000
exit 0
-- LISTEN_FDS
fd 0 FILE
fd 1 pipe
fd 2 pipe
fd 3 FILE
fd 4 FILE
exit 0
-- nohup
sig SigBlk: 0000000000000000
sig SigIgn: 0000000000000001
exit 0
