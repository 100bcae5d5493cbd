--TEST--
Sentences of channels have the numbers that the caller gave or can ask for, and durations and names as a person writes them
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;

$channel = Channel::create(4000);
$capacity = $channel->stats()['capacity'];
var_dump($channel->send(str_repeat('x', $capacity), 0.0), strlen($channel->receive()));
echo str_replace([$capacity + 1, $capacity], ['CAPACITY + 1', 'CAPACITY'], thrown(fn () => $channel->send(str_repeat('x', $capacity + 1)))), "\n";
$list = fn (int $more) => [str_repeat('x', $capacity - 9 + $more)];
var_dump($channel->send($list(0), 0.0), strlen($channel->receive()[0]));
echo str_replace([$capacity + 1, $capacity], ['CAPACITY + 1', 'CAPACITY'], thrown(fn () => $channel->send($list(1)))), "\n";

$name = own_name();
$capacity = Channel::open($name, 4000)->stats()['capacity'];
echo str_replace([$name, (string) $capacity, '/rustdaemon-' . fileowner('/proc/self') . '-'], ['NAME', 'CAPACITY', '/rustdaemon-UID-'], thrown(fn () => Channel::open($name, 1 << 20))), "\n";
var_dump(Channel::open($name, $capacity)->stats()['capacity'] === $capacity);

foreach ([0.0, -0.0, 1e-300, 2.5e-7, 0.01, 0.25] as $timeout) {
    echo thrown(fn () => $channel->receive($timeout)), "\n";
}
echo thrown(fn () => Channel::open(str_repeat('a', 101))), "\n";
?>
--EXPECT--
bool(true)
int(4088)
InvalidArgument: value: takes CAPACITY + 1 bytes as a message, and this channel takes up to CAPACITY: make it with more bytes, or send less at a time
bool(true)
int(4079)
InvalidArgument: value: takes CAPACITY + 1 bytes as a message, and this channel takes up to CAPACITY: make it with more bytes, or send less at a time
SegmentUnusable: /dev/shm/rustdaemon-UID-channel-NAME takes messages of up to CAPACITY bytes, and was to be one for 1048576: open it with the size that it was made with, or without one
bool(true)
Timeout: no message came within 0 s
Timeout: no message came within 0 s
Timeout: no message came within 1e-300 s
Timeout: no message came within 2.5e-7 s
Timeout: no message came within 0.01 s
Timeout: no message came within 0.25 s
InvalidArgument: name: "aaaaaaaaaaaaaaaaaaaa" and so on, 101 bytes, cannot be a name in shared memory: 1 to 100 of the characters a-z A-Z 0-9 . _ - are allowed, the first no dot
