--TEST--
A message larger than what memory_limit leaves ends no receiver: it is told, stays, and is received with more memory
--EXTENSIONS--
rustdaemon
ffi
--INI--
memory_limit=256M
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;
use RustDaemon\Exception\MessageTooLarge;

$shown = fn (string $text): string => preg_replace('/leaves \d+ for/', 'leaves N for', $text);
$channel = Channel::create(40 << 20);
$messages = ['a string' => fn () => str_repeat('x', 30 << 20), 'an array' => fn () => array_fill(0, 1 << 20, 1.5)];
foreach ($messages as $what => $message) {
    $channel->send($message());
    $channel->send("after $what");
    ini_set('memory_limit', '16M');
    echo $shown(thrown(fn () => $channel->receive(0.0))), "\n";
    echo $shown(thrown(fn () => $channel->tryReceive($value))), "\n";
    try {
        foreach ($channel as $value) {
            echo 'received ', gettype($value), "\n";
        }
    } catch (MessageTooLarge $e) {
        echo $shown($e->getMessage()), "\n";
    }
    var_dump(count($channel));
    ini_set('memory_limit', '256M');
    var_dump($channel->receive(0.0) === $message(), $channel->receive(0.0));
}
// Without a limit nothing is refused.
ini_set('memory_limit', '-1');
$channel->send(str_repeat('x', 30 << 20));
var_dump(strlen($channel->receive(0.0)));
?>
--EXPECT--
MessageTooLarge: the next message has 31457280 bytes, and memory_limit leaves N for it and what is made of it: it stays in the channel; raise memory_limit, or receive it in another process
MessageTooLarge: the next message has 31457280 bytes, and memory_limit leaves N for it and what is made of it: it stays in the channel; raise memory_limit, or receive it in another process
the next message has 31457280 bytes, and memory_limit leaves N for it and what is made of it: it stays in the channel; raise memory_limit, or receive it in another process
int(2)
bool(true)
string(14) "after a string"
MessageTooLarge: the next message has 9437188 bytes, and memory_limit leaves N for it and what is made of it: it stays in the channel; raise memory_limit, or receive it in another process
MessageTooLarge: the next message has 9437188 bytes, and memory_limit leaves N for it and what is made of it: it stays in the channel; raise memory_limit, or receive it in another process
the next message has 9437188 bytes, and memory_limit leaves N for it and what is made of it: it stays in the channel; raise memory_limit, or receive it in another process
int(2)
bool(true)
string(14) "after an array"
int(31457280)
