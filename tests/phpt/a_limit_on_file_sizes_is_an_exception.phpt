--TEST--
A channel, lock or counter that is larger than a file of this process may be (ulimit -f) is an exception and no death
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';

$name = own_name();
$code = <<<'PHP'
    use RustDaemon\{Channel, Counter, Lock, Signal};
    Signal::on('XFSZ', function (): void { echo "a signal\n"; });
    foreach ([fn () => Channel::create(1 << 20), fn () => Channel::open($argv[1], 1 << 20), fn () => Lock::open($argv[1]), fn () => Counter::create()] as $make) {
        try {
            echo get_class($make()), "\n";
        } catch (RustDaemon\Exception\SystemCallFailed $e) {
            echo $e->getCode(), ': ', preg_replace(['/[\d]{5,} bytes:/', '/-\d+-/'], ['N bytes:', '-UID-'], $e->getMessage()), "\n";
        }
    }
    PHP;
$script = tempnam(sys_get_temp_dir(), 'script');
file_put_contents($script, "<?php\n" . $code);
$php = implode(' ', array_map('escapeshellarg', [...php(), $script, $name]));
run_command(['sh', '-c', "ulimit -f 16 && exec $php"], replace: [$name => 'NAME']);
unlink($script);
?>
--EXPECTF--
27: cannot make a channel of N bytes: this process may make files of at most %d bytes (RLIMIT_FSIZE, ulimit -f): raise the limit: File too large (os error 27)
27: cannot make /dev/shm/rustdaemon-UID-channel-NAME: this process may make files of at most %d bytes (RLIMIT_FSIZE, ulimit -f): raise the limit: File too large (os error 27)
RustDaemon\Lock
RustDaemon\Counter
exit 0
