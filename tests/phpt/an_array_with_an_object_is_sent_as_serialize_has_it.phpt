--TEST--
An array that holds an object goes by serialize(), as the documentation says: references, floats, resources, enums
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;

enum Suit: string
{
    case Hearts = 'h';
}
class Holds
{
    public function __construct(public mixed $held)
    {
    }
}
$channel = Channel::create(1 << 12, ['stdClass']);
$holds = Channel::create(1 << 12, ['Holds']);
$x = 1;
foreach ([[&$x, &$x], [&$x, &$x, new stdClass()]] as $array) {
    $channel->send($array);
    $array = $channel->receive();
    $array[0] = 9;
    echo json_encode($array), "\n";
}
ini_set('serialize_precision', '5');
$channel->send([0.1 + 0.2]);
$channel->send([0.1 + 0.2, new stdClass()]);
var_dump($channel->receive()[0] === 0.1 + 0.2, $channel->receive()[0] === 0.3);
ini_set('serialize_precision', '-1');
$channel->send([0.1 + 0.2, new stdClass()]);
var_dump($channel->receive()[0] === 0.1 + 0.2);
$channel->send([Suit::Hearts, new Holds(Suit::Hearts)]);
[$suit, $object] = $channel->receive();
var_dump($suit === Suit::Hearts, get_class($object));
$holds->send(new Holds(STDIN));
var_dump($holds->receive()->held);
echo thrown(fn () => $holds->send(['jobs' => [new Holds(fn () => 1)]])), "\n";
?>
--EXPECT--
[9,1]
[9,9,{}]
bool(true)
bool(true)
bool(true)
bool(true)
string(22) "__PHP_Incomplete_Class"
int(0)
Exception: Serialization of 'Closure' is not allowed
