--TEST--
A self-start that fails is an exception, and the process is as it was
--EXTENSIONS--
rustdaemon
ffi
pcntl
--FILE--
<?php
require __DIR__ . '/include/self_start.php';
$directory = own_directory();
file_put_contents("$directory/rustdaemon", 'no program');
chmod("$directory/rustdaemon", 0755);
ob_start();
run_php(<<<'PHP'
    $libc = FFI::cdef('int fcntl(int, int, ...);');
    $file = fopen('/dev/zero', 'r');
    $flags = function () use ($libc) {
        $all = [];
        foreach (scandir('/proc/self/fd') as $fd) {
            $all[$fd] = $libc->fcntl((int) $fd, 1);
        }
        return $all;
    };
    $status = fn () => preg_grep('/^Sig(Blk|Ign|Cgt)/', file('/proc/self/status'));
    pcntl_sigprocmask(SIG_BLOCK, [SIGUSR1]);
    pcntl_signal(SIGUSR2, SIG_IGN);
    chdir('/usr');
    $before = [$flags(), $status(), getcwd()];
    ob_start();
    echo "buffered\n";
    try {
        RustDaemon\Worker::install(socket: '/run/x.sock');
    } catch (RustDaemon\Exception\SelfStartFailed $e) {
        echo $e->getMessage(), "\n";
    }
    ob_end_flush();
    var_dump($before === [$flags(), $status(), getcwd()]);
    PHP, options: ['-d', 'extension=ffi', '-d', "rustdaemon.sidecar=$directory/rustdaemon"]);
echo str_replace($directory, 'DIRECTORY', ob_get_clean());
?>
--EXPECT--
buffered
the sidecar DIRECTORY/rustdaemon could not be started: Exec format error (os error 8); nothing has changed
bool(true)
exit 0
