--TEST--
ignore(), default() and off() change what the kernel does, and programs see what they should
--EXTENSIONS--
rustdaemon
ffi
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip valgrind has handlers of its own');
--FILE--
<?php
use RustDaemon\Signal;

function state(int $number): string
{
    preg_match_all('/^Sig(Cgt|Ign):\s*(\w+)/m', file_get_contents('/proc/self/status'), $found);
    foreach (array_combine($found[1], $found[2]) as $name => $set) {
        $half = hexdec(substr($set, $number > 32 ? -16 : -8, 8));
        if ($half >> (($number - 1) % 32) & 1) {
            return $name === 'Cgt' ? 'caught' : 'ignored';
        }
    }
    return 'default';
}
$inherited = fn (int $number): string => trim((string) shell_exec('awk \'/^SigIgn/ {print substr($2, 9)}\' /proc/self/status'));
foreach ([Signal::WINCH, Signal::RTMIN + 3] as $number) {
    echo state($number);
    Signal::on($number, fn () => print 'never');
    echo ' ', state($number);
    Signal::ignore($number);
    Signal::send(getmypid(), $number);
    echo ' ', state($number);
    Signal::on($number, fn () => print ' called');
    Signal::send(getmypid(), $number);
    Signal::default($number);
    echo ' ', state($number);
    Signal::ignore($number);
    Signal::off($number);
    echo ' ', state($number), "\n";
}
// A handler is not inherited by programs, an ignored signal is.
Signal::on('USR1', fn () => print 'never');
Signal::ignore('USR2');
$ignored = trim((string) shell_exec("sed -n 's/^SigIgn:[[:space:]]*//p' /proc/self/status"));
echo hexdec(substr($ignored, -8)) & 1 << Signal::USR1 - 1 ? 'USR1 ignored' : 'USR1 not ignored', ', ',
    hexdec(substr($ignored, -8)) & 1 << Signal::USR2 - 1 ? 'USR2 ignored' : 'USR2 not ignored', "\n";
// default() gives a signal its effect.
require __DIR__ . '/include/sidecar.php';
run_php('RustDaemon\Signal::on("USR1", fn () => 1); RustDaemon\Signal::default("USR1"); RustDaemon\Signal::send(getmypid(), "USR1"); echo "never";');
?>
--EXPECT--
default caught ignored called default default
default caught ignored called default default
USR1 not ignored, USR2 ignored
exit 10
