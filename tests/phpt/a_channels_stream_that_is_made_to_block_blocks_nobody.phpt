--TEST--
stream_set_blocking() and fread() on the stream of a channel hold up neither who receives nor who sends
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

foreach (['anonymous' => Channel::create(), 'named' => Channel::open(own_name())] as $kind => $channel) {
    $child = pcntl_fork();
    if ($child === 0) {
        $stream = $channel->stream();
        stream_set_blocking($stream, true);
        $channel->tryReceive($value);
        $channel->tryReceive($value);
        $channel->send(polled($stream));
        $channel->send(@fread($stream, 8) === false ? 'nothing to read' : 'read');
        $channel->send(polled($stream));
        posix_kill(getmypid(), SIGKILL);
    }
    try {
        eventually('the end of who made it block', fn (): bool => pcntl_waitpid($child, $status, WNOHANG) === $child);
    } finally {
        posix_kill($child, SIGKILL);
    }
    echo $kind, ': ', $channel->receive(0.0), ', ', $channel->receive(0.0), ', ', $channel->receive(0.0), "\n";
}
?>
--EXPECT--
anonymous: silent, nothing to read, readable
named: silent, nothing to read, readable
