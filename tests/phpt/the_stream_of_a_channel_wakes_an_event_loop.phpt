--TEST--
stream() is readable when there is a message or the channel is closed, and silent once nothing was found
--EXTENSIONS--
rustdaemon
ffi
pcntl
posix
--FILE--
<?php
require __DIR__ . '/include/shared.php';
require __DIR__ . '/include/polled.php';
use RustDaemon\Channel;

$name = own_name();
$named = Channel::open($name);
[$fifo] = glob(segment('channel', $name) . ':fifo-*');
foreach (['anonymous' => Channel::create(), 'named' => $named] as $kind => $channel) {
    $channel->send('before anybody polls');
    $stream = $channel->stream();
    echo $kind, ': ', $stream === $channel->stream() ? 'the same, ' : 'another, ', polled($stream), "\n";
    echo $channel->receive(), ', ', polled($stream), "\n"; // not looked yet whether there is more
    echo json_encode($channel->tryReceive($value)), ', ', polled($stream), "\n";
    $child = pcntl_fork();
    if ($child === 0) {
        $channel->send('from a fork');
        posix_kill(getmypid(), SIGKILL);
    }
    echo polled($stream, 20.0), "\n";
    pcntl_waitpid($child, $status);
    while ($channel->tryReceive($value)) {
        echo $value, "\n";
    }
    echo polled($stream), "\n";
    $channel->close();
    echo polled($stream), "\n";
    echo thrown(fn () => $channel->tryReceive($value)), ' ', polled($stream), "\n";
}
printf("%s %o\n", filetype($fifo), fileperms($fifo) & 07777);

// A program that only knows the name rings as well; while nobody polls, it writes nothing.
$name = own_name();
$named = Channel::open($name);
$stream = $named->stream();
$other = Other::start(<<<'PHP'
    $channel = RustDaemon\Channel::open($argv[1]);
    $channel->send('one');
    $channel->send('two');
    PHP, $name);
echo polled($stream, 20.0), "\n", $other->end(), "\n";
$bell = fopen(glob(segment('channel', $name) . ':fifo-*')[0], 'r+');
stream_set_blocking($bell, false);
echo strlen(fread($bell, 100)), " bytes for two messages\n";
echo $named->receive(), ' ', $named->receive(), "\n";
?>
--EXPECT--
anonymous: the same, readable
before anybody polls, readable
false, silent
readable
from a fork
silent
readable
Closed: the channel is closed, and all that was sent has been received readable
named: the same, readable
before anybody polls, readable
false, silent
readable
from a fork
silent
readable
Closed: the channel is closed, and all that was sent has been received readable
fifo 600
readable
exit 0
8 bytes for two messages
one two
