--TEST--
A foreign thread is one whatever its name: it has that of the script, which may begin as our threads' do
--EXTENSIONS--
rustdaemon
ffi
posix
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\{Exception, Process};

require __DIR__ . '/include/sidecar.php';

// A thread of our own is none.
Process::fork(fn () => sleep(600));
echo json_encode(Process::audit()['threads']), "\n";
// What the kernel calls a script with #! and the name rustdaemon-poller.
file_put_contents('/proc/self/comm', 'rustdaemon-poll');
$pthread = FFI::cdef('
    typedef unsigned long pthread_t;
    int pthread_create(pthread_t *thread, void *attributes, void *start, void *argument);
    int pthread_barrier_init(void *barrier, void *attributes, unsigned count);
    int pthread_barrier_wait(void *barrier);
    int pthread_join(pthread_t thread, void **result);
');
$wait = FFI::cdef('void *pthread_barrier_wait(void *barrier);')->pthread_barrier_wait;
$barrier = $pthread->new('char[64]');
$pthread->pthread_barrier_init(FFI::addr($barrier), null, 2);
$thread = $pthread->new('pthread_t');
$pthread->pthread_create(FFI::addr($thread), null, $pthread->cast('void *', $wait), FFI::addr($barrier));
echo implode(', ', array_column(Process::audit()['threads'], 'name')), "\n";
try {
    Process::fork(fn () => 0);
} catch (Exception\NotAllowedHere $e) {
    echo preg_replace('/thread \d+/', 'thread N', $e->getMessage()), "\n";
}
// What cannot be looked at may be there.
$hard = (int) posix_getrlimit()['hard openfiles'] ?: 1000;
$soft = (int) posix_getrlimit()['soft openfiles'] ?: 1000;
posix_setrlimit(POSIX_RLIMIT_NOFILE, 64, $hard);
$files = [];
while ($file = @fopen('/dev/null', 'r')) {
    $files[] = $file;
}
foreach (['no descriptor' => 0, 'one' => 1] as $what => $free) {
    $free && array_pop($files);
    foreach (['fork' => fn () => Process::fork(fn () => 0), 'audit' => fn () => Process::audit()] as $name => $call) {
        try {
            $call();
            echo "$what, $name(): done\n";
        } catch (Exception\DaemonException $e) {
            echo "$what, $name(): ", get_class($e), "\n";
        }
    }
}
$files = [];
posix_setrlimit(POSIX_RLIMIT_NOFILE, $soft, $hard);
$pthread->pthread_barrier_wait(FFI::addr($barrier));
$pthread->pthread_join($thread->cdata, null);
eventually('the thread has left /proc', fn () => Process::audit()['threads'] === []);
echo 'without it: ', Process::fork(fn () => 5)->wait()->code, "\n";
?>
--EXPECT--
[]
rustdaemon-poll
Process::fork() cannot copy a process with native threads of others: thread N (rustdaemon-poll) may hold a lock that its copy would wait for, for ever; fork before the extension starts it, or start a program of its own with proc_open()
no descriptor, fork(): RustDaemon\Exception\SystemCallFailed
no descriptor, audit(): RustDaemon\Exception\SystemCallFailed
one, fork(): RustDaemon\Exception\NotAllowedHere
one, audit(): done
without it: 5
