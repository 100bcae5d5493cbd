--TEST--
stream() is readable from the first signal until dispatch(), also when the handler has run already
--EXTENSIONS--
rustdaemon
--FILE--
<?php
use RustDaemon\Signal;

function readable(float $seconds = 0.0): bool
{
    $read = [Signal::stream()];
    $write = $except = null;
    return stream_select($read, $write, $except, (int) $seconds, (int) (($seconds - (int) $seconds) * 1e6)) === 1;
}
$flag = false;
Signal::on('USR1', function () use (&$flag): void {
    $flag = true;
});
// What was handled before the first call wakes as well: nobody has looked at what the handler has changed.
Signal::send(getmypid(), 'USR1');
var_dump(readable(30.0), Signal::dispatch());
$stream = Signal::stream();
var_dump($stream === Signal::stream(), get_resource_id($stream) === get_resource_id(Signal::stream()), readable());
// The lost wake-up: looked at the flag, the signal comes and is handled, then select.
for ($i = 0; $i < 1000; $i++) {
    $flag = false;
    if (!$flag) {
        Signal::send(getmypid(), 'USR1');
        if (!readable(30.0)) {
            echo "slept over\n";
        }
    }
    Signal::dispatch();
    if (!$flag || readable()) {
        echo "not handled, or readable for nothing\n";
    }
}
// In a section the handler waits for dispatch().
Signal::critical(fn () => Signal::send(getmypid(), 'USR1'));
var_dump(Signal::dispatch(), readable());
// Close-on-exec, and made anew when somebody closes it.
preg_match('/flags:\s*(\d+)/', file_get_contents('/proc/self/fdinfo/' . array_search('anon_inode:[eventfd]',
    array_map(fn (string $fd) => @readlink("/proc/self/fd/$fd"), array_combine($fds = array_diff(scandir('/proc/self/fd'), ['.', '..']), $fds)))), $flags);
var_dump((octdec($flags[1]) & 02000000) !== 0);
fclose($stream);
Signal::send(getmypid(), 'USR1');
var_dump(Signal::stream() === $stream, readable(30.0), Signal::dispatch(), readable());
?>
--EXPECT--
bool(true)
int(0)
bool(true)
bool(true)
bool(false)
int(0)
bool(false)
bool(true)
bool(false)
bool(true)
int(0)
bool(false)
