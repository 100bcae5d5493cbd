--TEST--
shm rm leaves a lock and a counter to a process that does not let itself be looked at
--EXTENSIONS--
rustdaemon
ffi
pcntl
--SKIPIF--
<?php if (shell_exec('command -v setpriv') === null) die('skip setpriv is not there'); ?>
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\{Counter, Lock};

$name = own_name();
[$ready, $is] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
$pid = pcntl_fork();
if ($pid === 0) {
    // As a change of user does.
    FFI::cdef('int prctl(int option, unsigned long value);')->prctl(4 /* PR_SET_DUMPABLE */, 0);
    $counter = Counter::open($name);
    $lock = Lock::open($name);
    $lock->acquire(0.0);
    fwrite($is, "ready\n");
    sleep(60);
    exit(1);
}
fgets($ready) === "ready\n" || throw new RuntimeException('the holder is not ready');
// What lets root look at everybody: a container's root has none of it.
$blind = fileowner('/proc/self') === 0 ? ['setpriv', '--bounding-set', '-sys_ptrace,-perfmon,-sys_admin'] : [];
$sidecar = dirname(array_slice(explode('=', php()[3]), -1)[0]) . '/rustdaemon';
$shm = fn (string ...$words) => run_command([...$blind, $sidecar, 'shm', ...$words], replace: [$name => 'NAME', (string) $pid => 'PID', ', ask as root' => '']);
$list = function () use ($blind, $sidecar, $name): void {
    $rows = json_decode(shell_exec(implode(' ', [...$blind, $sidecar, 'shm list --json'])), true);
    foreach ($rows as $row) {
        if ($row['name'] === $name) {
            echo $row['kind'], ': used ', json_encode($row['used']), ', users ', json_encode($row['users']), "\n";
        }
    }
};
$list();
$shm('rm', '--kind', 'lock', $name);
$shm('rm', '--kind', 'counter', $name);
var_dump(file_exists(segment('lock', $name)), file_exists(segment('counter', $name)));
RustDaemon\Signal::send($pid, 'KILL');
pcntl_waitpid($pid, $status);
$list();
$shm('rm', '--kind', 'lock', $name);
$shm('rm', '--kind', 'counter', $name);
var_dump(glob("/dev/shm/*$name*"));
?>
--EXPECTF--
counter: used true, users []
lock: used true, users []
rustdaemon: the lock "NAME" is held by PID %s: end it first, or give --force
exit 1
rustdaemon: the counter "NAME" is used by a process that cannot be seen from here: end it first, or give --force
exit 1
bool(true)
bool(true)
counter: used false, users []
lock: used false, users []
exit 0
exit 0
array(0) {
}
