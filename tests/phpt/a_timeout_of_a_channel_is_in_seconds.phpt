--TEST--
One rule for time: seconds, null for as long as it takes, 0.0 for not waiting; what is longer than the channel is refused
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;

$channel = Channel::create(5000);
$took = function (float $least, callable $call): void {
    $start = hrtime(true);
    echo thrown($call), hrtime(true) - $start >= $least * 1e9 ? "\n" : " too early\n";
};
$took(0.0, fn () => $channel->receive(0.0));
$took(0.1, fn () => $channel->receive(0.1));
$took(0.1, fn () => $channel->tryReceive($value, 0.1));
$took(0.0, fn () => $channel->tryReceive($value));
while ($channel->send('full', 0.0)) {
}
$took(0.1, fn () => $channel->send('more', 0.1));
$took(0.0, fn () => $channel->send('more', 0.0));
foreach ([-0.1, NAN] as $bad) {
    echo thrown(fn () => $channel->receive($bad)), "\n";
    echo thrown(fn () => $channel->send('x', $bad)), "\n";
}
echo count($channel) > 100 ? "nothing was taken or put\n" : "lost\n";
$longest = $channel->stats()['capacity'];
echo $longest >= 5000 ? "at least as much as was asked for\n" : "too small\n";
echo preg_replace('/\d+/', 'N', thrown(fn () => $channel->send(str_repeat('x', $longest + 1)))), "\n";
echo preg_replace('/\d+/', 'N', thrown(fn () => $channel->send([str_repeat('x', $longest)]))), "\n";
while ($channel->tryReceive($value)) {
}
var_dump($channel->send(str_repeat('x', $longest), 0.0), strlen($channel->receive()) === $longest);
foreach ([0, -1, PHP_INT_MAX] as $bytes) {
    echo thrown(fn () => Channel::create($bytes)), "\n";
}
echo thrown(fn () => Channel::create(allowedClasses: 'all')), "\n";
echo thrown(fn () => $channel->send(fopen(__FILE__, 'r'))), "\n";
echo thrown(fn () => new Channel()), "\n";
echo thrown(fn () => clone $channel), "\n";
echo thrown(fn () => serialize($channel)), "\n";
?>
--EXPECT--
Timeout: no message came within 0 s
Timeout: no message came within 0.1 s
returned false
returned false
returned false
returned false
InvalidArgument: timeout: must be a number of seconds from 0.0, or null to wait as long as it takes
InvalidArgument: timeout: must be a number of seconds from 0.0, or null to wait as long as it takes
InvalidArgument: timeout: must be a number of seconds from 0.0, or null to wait as long as it takes
InvalidArgument: timeout: must be a number of seconds from 0.0, or null to wait as long as it takes
nothing was taken or put
at least as much as was asked for
InvalidArgument: value: takes N bytes as a message, and this channel takes up to N: make it with more bytes, or send less at a time
InvalidArgument: value: takes N bytes as a message, and this channel takes up to N: make it with more bytes, or send less at a time
bool(true)
bool(true)
InvalidArgument: bytes: must be from 1 to 1073741824, not 0
InvalidArgument: bytes: must be from 1 to 1073741824, not -1
InvalidArgument: bytes: must be from 1 to 1073741824, not 9223372036854775807
InvalidArgument: allowedClasses: must be true, false or a list of names of classes
InvalidArgument: value: is a resource (stream), which no other process can use
Error: Call to private RustDaemon\Channel::__construct() from global scope
Error: Trying to clone an uncloneable object of class RustDaemon\Channel
Exception: Serialization of 'RustDaemon\Channel' is not allowed
