--TEST--
/dev/shm that is full or missing is said with its numbers, and leaves the process alive
--EXTENSIONS--
rustdaemon
ffi
--SKIPIF--
<?php
if (!str_starts_with((string) shell_exec('unshare -m mount -t tmpfs none /dev/shm 2>&1 && echo mounted'), 'mounted')) {
    die('skip this user cannot mount');
}
?>
--FILE--
<?php
require __DIR__ . '/include/shared.php';

$code = <<<'PHP'
    use RustDaemon\{Counter, Lock};
    foreach ([fn () => Lock::open('full'), fn () => Counter::open('full')] as $open) {
        try {
            $open();
        } catch (RustDaemon\Exception\SystemCallFailed $e) {
            echo $e->getCode(), ': ', $e->getMessage(), "\n";
        }
    }
    var_dump(Counter::create()->add());
    PHP;
$script = tempnam(sys_get_temp_dir(), 'script');
file_put_contents($script, "<?php\n" . $code);
$php = implode(' ', array_map('escapeshellarg', [...php(), $script]));
$mounts = [
    'full' => 'mount -t tmpfs -o size=8k none /dev/shm && head -c 8192 /dev/zero > /dev/shm/other',
    'missing' => 'mount -t tmpfs none /dev',
];
foreach ($mounts as $how => $mount) {
    echo "$how\n";
    run_command(['unshare', '-m', 'sh', '-c', "$mount && exec $php"]);
}
unlink($script);
?>
--EXPECT--
full
28: cannot make /dev/shm/rustdaemon-0-lock-full: 4096 bytes are needed and /dev/shm has 0 left: No space left on device (os error 28)
28: cannot make /dev/shm/rustdaemon-0-counter-full: 4096 bytes are needed and /dev/shm has 0 left: No space left on device (os error 28)
int(1)
exit 0
missing
2: cannot make /dev/shm/rustdaemon-0-lock-full: /dev/shm is missing, mount a tmpfs there: No such file or directory (os error 2)
2: cannot make /dev/shm/rustdaemon-0-counter-full: /dev/shm is missing, mount a tmpfs there: No such file or directory (os error 2)
int(1)
exit 0
