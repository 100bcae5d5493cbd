--TEST--
Objects in objects in more levels than unserialize() reads are refused by send(), and what it reads is received
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;

class Node
{
    public function __construct(public mixed $next)
    {
    }
}
class Magic extends Node
{
    public function __serialize(): array
    {
        return [$this->next];
    }

    public function __unserialize(array $data): void
    {
        [$this->next] = $data;
    }
}
$nested = function (int $levels, string $class, mixed $inmost): mixed {
    for ($value = $inmost; $levels > 0; $levels--) {
        $value = $class === 'array' ? [$value] : new $class($value);
    }
    return $value;
};
$channel = Channel::create(1 << 20, ['Node', 'Magic']);
$inmost = ['null' => null, 'text' => 'a:1:{i:0;', 'an empty array' => [], 'an empty object' => new Magic(null)];
foreach (['Node', 'Magic'] as $class) {
    foreach ($inmost as $what => $value) {
        echo "$class with $what:";
        foreach ([4094, 4095, 4096, 4097] as $levels) {
            $sent = thrown(fn () => $channel->send($nested($levels, $class, $value)));
            $read = count($channel) === 0 ? 'refused' : thrown(fn () => get_class($channel->receive(0.0)));
            echo ' ', $sent === 'returned true' ? 'sent' : 'refused', ' ', str_replace('returned ', '', $read), ',';
        }
        echo "\n";
    }
}
echo thrown(fn () => $channel->send(['jobs' => $nested(4200, 'Node', 1)])), "\n";
ini_set('unserialize_max_depth', '4201');
var_dump($channel->send(['jobs' => $nested(4200, 'Node', 1)]), count($channel->receive()));
ini_set('unserialize_max_depth', '0');
var_dump($channel->send($nested(4200, 'Node', 1)), $channel->receive()::class);
?>
--EXPECT--
Node with null: sent 'Node', sent 'Node', sent 'Node', refused refused,
Node with text: sent 'Node', sent 'Node', sent 'Node', refused refused,
Node with an empty array: sent 'Node', sent 'Node', sent 'Node', refused refused,
Node with an empty object: sent 'Node', sent 'Node', refused refused, refused refused,
Magic with null: sent 'Magic', sent 'Magic', sent 'Magic', refused refused,
Magic with text: sent 'Magic', sent 'Magic', sent 'Magic', refused refused,
Magic with an empty array: sent 'Magic', sent 'Magic', sent 'Magic', refused refused,
Magic with an empty object: sent 'Magic', sent 'Magic', refused refused, refused refused,
InvalidArgument: value: holds objects in objects in 4201 levels, and unserialize() reads 4096: send it in parts, or raise unserialize_max_depth here and where it is received
bool(true)
int(1)
bool(true)
string(4) "Node"
