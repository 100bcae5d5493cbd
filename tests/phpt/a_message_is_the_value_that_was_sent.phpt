--TEST--
Every value that a channel carries is received as it was sent, in order; null is a message
--EXTENSIONS--
rustdaemon
--FILE--
<?php
use RustDaemon\Channel;

$channel = Channel::create();
$values = [null, true, false, 0, -1, PHP_INT_MIN, PHP_INT_MAX, 1.5, -0.0, INF, '', 'x', "a\0b", "\xff\xfe", '12345678',
    '123456789', str_repeat('long ', 100_000), [], [1, 2, 3], ['a' => null, 7 => ['b' => [true]]], [[[[]]]]];
foreach ($values as $value) {
    $channel->send($value) === true || print "not sent\n";
}
echo count($channel), "\n";
foreach ($values as $value) {
    $channel->receive(0.0) === $value || print 'not ' . var_export($value, true) . "\n";
}
$channel->send(NAN);
var_dump($channel->receive());
$x = 5;
$channel->send(['reference' => &$x]);
$x = 6;
var_dump($channel->receive());
$variable = 'kept';
var_dump($channel->tryReceive($variable), $variable);
$channel->send(null);
var_dump($channel->tryReceive($variable), $variable, count($channel));
print_r(array_slice($channel->stats(), 1));
?>
--EXPECT--
21
float(NAN)
array(1) {
  ["reference"]=>
  int(5)
}
bool(false)
string(4) "kept"
bool(true)
NULL
int(0)
Array
(
    [used] => 0
    [messages] => 0
    [sent] => 24
    [received] => 24
    [closed] => 
)
