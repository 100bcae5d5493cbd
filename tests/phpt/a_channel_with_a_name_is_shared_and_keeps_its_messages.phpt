--TEST--
A channel with a name is opened by programs that know it, keeps its messages, and refuses what does not fit
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;

$name = own_name();
$file = segment('channel', $name);
$other = Other::start(<<<'PHP'
    $channel = RustDaemon\Channel::open($argv[1], 10_000);
    $channel->send(['from' => 'another program']);
    echo "sent\n";
    PHP, $name);
echo $other->end(), "\n";
printf("%o\n", fileperms($file) & 07777);
$channel = Channel::open($name);
print_r($channel->receive(0.0));
var_dump(Channel::open($name, 10_000)->stats()['capacity'] === $channel->stats()['capacity']);
$shown = fn (string $text): string => preg_replace('/\b\d{2,}\b/', 'N', str_replace([$name, '/rustdaemon-' . fileowner('/proc/self') . '-'], ['NAME', '/rustdaemon-UID-'], $text));
echo $shown(thrown(fn () => Channel::open($name, 100_000))), "\n";
echo thrown(fn () => Channel::open('no/name')), "\n";

// Written over while it is open: said, never a crash.
$channel->send('whole');
$write = function (int $at, string $with) use ($file): void {
    $handle = fopen($file, 'r+');
    fseek($handle, $at);
    fwrite($handle, $with);
    fclose($handle);
};
for ($at = 4096; $at < 4096 + 200; $at += 8) {
    $write($at, "\xff\xff\xff\x7f");
}
echo $shown(thrown(fn () => $channel->receive(0.0))), "\n";
$write(0, 'SOMETHING');
echo $shown(thrown(fn () => Channel::open($name))), "\n";
unlink($file);
var_dump(count(Channel::open($name)));
?>
--EXPECT--
sent
exit 0
600
Array
(
    [from] => another program
)
bool(true)
SegmentUnusable: /dev/shm/rustdaemon-UID-channel-NAME takes messages of up to N bytes, and was to be one for N: open it with the size that it was made with, or without one
InvalidArgument: name: "no/name" cannot be a name in shared memory: 1 to 100 of the characters a-z A-Z 0-9 . _ - are allowed, the first no dot
SegmentUnusable: the channel "NAME" was written over by some other program: end the processes that use it, and make it anew
SegmentUnusable: /dev/shm/rustdaemon-UID-channel-NAME is no segment of rustdaemon's
int(0)
