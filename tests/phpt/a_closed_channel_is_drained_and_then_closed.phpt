--TEST--
A closed channel takes nothing more, is drained, and is then Closed; who waits for a message or for room is told
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;

$channel = Channel::create();
$channel->send('last');
$channel->close();
$channel->close();
echo thrown(fn () => $channel->send('later')), "\n";
echo $channel->receive(), ' ', json_encode($channel->stats()['closed']), "\n";
echo thrown(fn () => $channel->receive()), "\n";
echo thrown(fn () => $channel->tryReceive($value)), "\n";
foreach ($channel as $message) {
    echo "there is none\n";
}

$name = own_name();
$waiting = Channel::open($name, 1);
$code = <<<'PHP'
    require $argv[2];
    $channel = RustDaemon\Channel::open($argv[1]);
    echo "waits\n";
    echo thrown(fn () => $channel->receive()), "\n";
    PHP;
$receiver = Other::start($code, $name, __DIR__ . '/include/shared.php');
echo $receiver->line(), "\n";
$waiting->close();
echo $receiver->end(), "\n";

$name = own_name();
$full = Channel::open($name, 1);
while ($full->send('x', 0.0)) {
}
$sender = Other::start(str_replace('receive()', "send('x')", $code), $name, __DIR__ . '/include/shared.php');
echo $sender->line(), "\n";
$full->close();
echo $sender->end(), "\n";
?>
--EXPECT--
Closed: the channel is closed: nothing can be sent
last true
Closed: the channel is closed, and all that was sent has been received
Closed: the channel is closed, and all that was sent has been received
waits
Closed: the channel is closed, and all that was sent has been received
exit 0
waits
Closed: the channel is closed: nothing can be sent
exit 0
