--TEST--
A signal that the kernel delivers to a native thread is recorded, wakes our waits, and leaves that thread's mask alone
--EXTENSIONS--
rustdaemon
ffi
pcntl
--FILE--
<?php
use RustDaemon\{Signal, SignalInfo};

require __DIR__ . '/include/sidecar.php';
$pthread = FFI::cdef('
    typedef unsigned long pthread_t;
    int pthread_create(pthread_t *thread, void *attributes, void *start, void *argument);
    int pthread_barrier_init(void *barrier, void *attributes, unsigned count);
    int pthread_barrier_wait(void *barrier);
    int pthread_kill(pthread_t thread, int signal);
    int pthread_join(pthread_t thread, void **result);
');
$wait = FFI::cdef('void *pthread_barrier_wait(void *barrier);')->pthread_barrier_wait; // waits and does not return at EINTR
$barrier = $pthread->new('char[64]');
$pthread->pthread_barrier_init(FFI::addr($barrier), null, 2);
$thread = $pthread->new('pthread_t');
$pthread->pthread_create(FFI::addr($thread), null, $pthread->cast('void *', $wait), FFI::addr($barrier));
$worker = RustDaemon\Worker::install();
Signal::on('USR1', fn (SignalInfo $info) => print "handled: $info->name, code $info->code\n");
$pthread->pthread_kill($thread->cdata, SIGUSR1);
eventually('the handler has run', fn () => Signal::last('USR1') !== null);
// A native timer sends while we wait: one thread sleeps, the other gets the signal.
$child = proc_open(['sh', '-c', 'read line; kill -USR2 $PPID'], [['pipe', 'r']], $pipes);
Signal::wait(0.0, 'USR2');
pcntl_sigprocmask(SIG_BLOCK, [SIGUSR2]); // this thread does not take it: the kernel gives it to the other
fwrite($pipes[0], "now\n");
echo 'waited for: ', Signal::wait(10.0, 'USR2')?->name, "\n";
$tids = array_diff(scandir('/proc/self/task'), ['.', '..', (string) getmypid()]);
$deadline = microtime(true) + 10; // its handler, in which all is blocked, may still be returning
do {
    preg_match('/^SigBlk:\s*(\w+)/m', file_get_contents('/proc/self/task/' . reset($tids) . '/status'), $blocked);
} while (trim($blocked[1], '0') !== '' && microtime(true) < $deadline);
echo 'blocked in the other thread: ', trim($blocked[1], '0') ?: 'nothing', "\n";
$pthread->pthread_barrier_wait(FFI::addr($barrier));
$pthread->pthread_join($thread->cdata, null);
proc_close($child);
?>
--EXPECT--
handled: SIGUSR1, code -6
waited for: SIGUSR2
blocked in the other thread: nothing
