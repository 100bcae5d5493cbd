--TEST--
tryReceive() assigns as PHP does: types of references, destructors of what was there; foreach and getIterator()
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;

$channel = Channel::create();
final class Typed
{
    public int $number = 1;
    public ?string $text = null;
}
final class Loud
{
    public function __destruct()
    {
        echo "destroyed\n";
    }
}
$typed = new Typed();
array_map($channel->send(...), ['7', 'eight', 'text', 'new', 1, 1, 2, 3, 4]);
var_dump($channel->tryReceive($typed->number), $typed->number);
echo thrown(fn () => $channel->tryReceive($typed->number)), ' ', $typed->number, "\n";
var_dump($channel->tryReceive($typed->text), $typed->text);
$loud = new Loud();
$channel->tryReceive($loud);
echo $loud, "\n";
$array = [];
$channel->tryReceive($array['made']['here']);
echo json_encode($array), "\n";
foreach ($channel as $key => $number) {
    echo "$key => $number\n";
    if ($number === 2) {
        break;
    }
}
$iterator = $channel->getIterator();
echo get_class($iterator), ' ', $iterator->current(), "\n";
$iterator->next();
echo $iterator->key(), ' ', $iterator->current(), ' ', count($channel), "\n";
echo thrown(function () use ($channel): void {
    foreach ($channel as &$reference) {
    }
}), "\n";
$channel->send('a');
$channel->send('b');
$channel->close();
echo implode(' ', iterator_to_array($channel)), "\n";
$thrown = Channel::create();
foreach ([1, 2, 3] as $number) {
    $thrown->send($number);
}
echo thrown(function () use ($thrown): void {
    foreach ($thrown as $number) {
        throw new DomainException("at $number");
    }
}), ', ', count($thrown), " left\n";
?>
--EXPECT--
bool(true)
int(7)
TypeError: Cannot assign string to reference held by property Typed::$number of type int 7
bool(true)
string(4) "text"
destroyed
new
{"made":{"here":1}}
0 => 1
1 => 2
InternalIterator 3
1 4 0
Error: An iterator cannot be used with foreach by reference
a b
DomainException: at 1, 2 left
