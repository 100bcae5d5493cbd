--TEST--
A channel that a child takes along into another PID namespace goes on on both sides
--EXTENSIONS--
rustdaemon
ffi
pcntl
--SKIPIF--
<?php
if (trim((string) shell_exec('unshare --pid --fork echo made 2>&1')) !== 'made') die('skip this user cannot make a PID namespace');
?>
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;

// Messages so large that each side often waits for the other's lock for longer than one look at its owner.
$channel = Channel::create(4 << 20);
$back = Channel::create(1 << 16);
pcntl_unshare(CLONE_NEWPID);
$child = pcntl_fork();
if ($child === 0) {
    try {
        for ($n = 0; $n < 1000; $n++) {
            $channel->send(str_repeat('a', 1 << 20), 20.0) || throw new RuntimeException('no room');
        }
        $back->send("sent $n");
    } catch (Throwable $e) {
        $back->send(get_class($e) . ": {$e->getMessage()}");
    }
    exit(0);
}
try {
    for ($n = $own = 0; $n < 1000;) {
        if ($channel->tryReceive($message, 20.0) === false) {
            break;
        }
        $message[0] === 'a' ? $n++ : $own++;
        if ($n % 3 === 0) {
            $channel->send('b', 0.0);
        }
    }
    echo "received $n\n", $back->receive(20.0), "\n";
} catch (Throwable $e) {
    echo get_class($e), ": {$e->getMessage()}\n";
    RustDaemon\Signal::send($child, 'KILL');
}
pcntl_waitpid($child, $status);
?>
--EXPECT--
received 1000
sent 1000
