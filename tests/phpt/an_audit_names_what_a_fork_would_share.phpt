--TEST--
audit() names sockets, foreign threads, streams that keep data back and connections; a foreign thread refuses the fork
--EXTENSIONS--
rustdaemon
ffi
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\{Exception, Process};

require __DIR__ . '/include/sidecar.php';
if (!class_exists('Redis')) {
    eval('class Redis {}');                         // the audit goes by the name
}
class Connection extends Redis {}

$inherited = array_column(Process::audit()['sockets'], 'fd'); // of a run with several workers
echo json_encode(array_diff_key(Process::audit(), ['sockets' => 0])), "\n";
$server = stream_socket_server('tcp://127.0.0.1:0');
$name = stream_socket_get_name($server, false);
$client = stream_socket_client("tcp://$name");
[$one, $other] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
$file = tempnam(sys_get_temp_dir(), 'rd');
$filtered = fopen($file, 'w');
stream_filter_append($filtered, 'string.rot13', STREAM_FILTER_WRITE);
$connection = new Connection();
// A thread of our own, which reaps, is no foreign one.
Process::fork(fn () => fclose($one) && fgets($other));
['sockets' => $sockets, 'threads' => $threads, 'unsent' => $unsent, 'connections' => $connections] = Process::audit();
$mine = stream_socket_get_name($client, false);
foreach ($sockets as ['fd' => $fd, 'what' => $what]) {
    if (in_array($fd, $inherited, true)) {
        continue;
    }
    echo strtr($what, [$name => 'SERVER', $mine => 'CLIENT']), "\n";
}
echo count($threads), ' threads, unsent: ', $unsent[0]['what'], ' ', json_encode($unsent[0]['resource'] === get_resource_id($filtered)), "\n";
echo $connections[0]['class'], ' ', json_encode($connections[0]['object'] === spl_object_id($connection)), "\n";
if (extension_loaded('zlib')) {
    $gz = gzopen("compress.zlib://$file", 'w') ?: gzopen($file, 'w');
    $read = gzopen($file, 'r');
    echo implode(' ', array_column(Process::audit()['unsent'], 'what')) === 'string.rot13 ZLIB' ? 'zlib' : 'no zlib?', "\n";
} else {
    echo "zlib\n";
}
fclose($one);
// A thread of somebody else's.
$pthread = FFI::cdef('
    typedef unsigned long pthread_t;
    int pthread_create(pthread_t *thread, void *attributes, void *start, void *argument);
    int pthread_barrier_init(void *barrier, void *attributes, unsigned count);
    int pthread_barrier_wait(void *barrier);
    int pthread_setname_np(pthread_t thread, const char *name);
    int pthread_join(pthread_t thread, void **result);
');
$wait = FFI::cdef('void *pthread_barrier_wait(void *barrier);')->pthread_barrier_wait;
$barrier = $pthread->new('char[64]');
$pthread->pthread_barrier_init(FFI::addr($barrier), null, 2);
$thread = $pthread->new('pthread_t');
$pthread->pthread_create(FFI::addr($thread), null, $pthread->cast('void *', $wait), FFI::addr($barrier));
$pthread->pthread_setname_np($thread->cdata, 'grpc_poller');
echo Process::audit()['threads'][0]['name'], "\n";
try {
    Process::fork(fn () => 0);
} catch (Exception\NotAllowedHere $e) {
    echo preg_replace('/thread \d+/', 'thread N', $e->getMessage()), "\n";
}
$pthread->pthread_barrier_wait(FFI::addr($barrier));
$pthread->pthread_join($thread->cdata, null);
eventually('the thread has left /proc', fn () => Process::audit()['threads'] === []);
echo 'without it: ', Process::fork(fn () => 5)->wait()->code, "\n";
unlink($file);
?>
--EXPECT--
{"threads":[],"unsent":[],"connections":[]}
tcp listens on SERVER
tcp CLIENT to SERVER
unix pair
unix pair
0 threads, unsent: string.rot13 true
Connection true
zlib
grpc_poller
Process::fork() cannot copy a process with native threads of others: thread N (grpc_poller) may hold a lock that its copy would wait for, for ever; fork before the extension starts it, or start a program of its own with proc_open()
without it: 5
