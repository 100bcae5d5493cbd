--TEST--
Who polls a channel whose file was removed takes no wake-ups of the next channel of that name; a FIFO that was removed is found again
--EXTENSIONS--
rustdaemon
ffi
posix
--FILE--
<?php
require __DIR__ . '/include/shared.php';
require __DIR__ . '/include/polled.php';
use RustDaemon\Channel;

$name = own_name();
$fifos = fn (): array => glob(segment('channel', $name) . ':fifo*');
$before = Channel::open($name);
$old = $before->stream();
unlink(segment('channel', $name)); // rm, and not rustdaemon shm rm
$now = Channel::open($name);
$new = $now->stream();
echo count($fifos()), " FIFOs\n";
$send = fn (string $message): string => run_other('RustDaemon\Channel::open($argv[1])->send($argv[2]);', $name, $message);
echo $send('one'), ', ', polled($new), "\n";
var_dump($before->tryReceive($value)); // empties its own
echo polled($new), ', ', polled($old), ', ', $now->receive(), "\n";

// Who opens the channel after its FIFO was removed has the same one as those before.
array_map('unlink', $fifos());
var_dump($now->tryReceive($value));
echo polled($new), "\n";
echo $send('two'), ', ', polled($new), ', ', $now->receive(), ', ', count($fifos()), " FIFOs\n";

function run_other(string $code, string ...$arguments): string
{
    return Other::start($code, ...$arguments)->end();
}
?>
--EXPECT--
2 FIFOs
exit 0, readable
bool(false)
readable, silent, one
bool(false)
silent
exit 0, readable, two, 0 FIFOs
