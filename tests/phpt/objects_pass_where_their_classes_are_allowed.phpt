--TEST--
Objects go by serialize() and are made under the reader's allowedClasses
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;

class Job
{
    public array $log = [];
    public ?Job $next = null;

    public function __construct(public string $name)
    {
    }

    public function __serialize(): array
    {
        return ['name' => $this->name, 'next' => $this->next];
    }

    public function __unserialize(array $data): void
    {
        ['name' => $this->name, 'next' => $this->next] = $data;
        $this->log[] = 'woke';
    }
}
class Wakes
{
    public function __wakeup(): void
    {
        throw new LogicException('thrown in __wakeup()');
    }
}
enum Suit: string
{
    case Hearts = 'h';
}
$name = own_name();
$sender = Channel::open($name, allowedClasses: true);
$pass = function (mixed $value, bool|array $allowed) use ($sender, $name): mixed {
    $sender->send($value);
    return Channel::open($name, allowedClasses: $allowed)->receive(0.0);
};
$job = new Job('a');
$job->next = $job;
$arrived = $pass(['job' => $job, 'at' => new DateTimeImmutable('2026-11-26 UTC'), 'suit' => Suit::Hearts], true);
var_dump($arrived['job']->next === $arrived['job'], $arrived['job']->log, $arrived['suit'] === Suit::Hearts, $arrived['at']->format('c'));
$say = fn (mixed $value, bool|array $allowed) => print get_debug_type($pass($value, $allowed)) . "\n";
$say(new Job('b'), true);
$say(new Job('b'), ['job']);
$say(new Job('b'), ['Wakes']);
$say(new Job('b'), false);
$say(['no object'], false);
echo thrown(fn () => $pass(new Wakes(), true)), "\n";
echo thrown(fn () => $pass(new Wakes(), ['Job'])::class), "\n";
var_dump(count($sender));

$anonymous = Channel::create(allowedClasses: true);
for ($turn = 0; $turn < 100; $turn++) {
    $anonymous->send([$job, new ArrayObject([1]), Suit::Hearts]);
    [$one, $two, $three] = $anonymous->receive(0.0);
}
var_dump($one->next === $one, $two[0], $three);
$anonymous->send('plain');
var_dump($anonymous->receive());
?>
--EXPECT--
bool(true)
array(1) {
  [0]=>
  string(4) "woke"
}
bool(true)
string(25) "2026-11-26T00:00:00+00:00"
Job
Job
__PHP_Incomplete_Class
__PHP_Incomplete_Class
array
LogicException: thrown in __wakeup()
returned '__PHP_Incomplete_Class'
int(0)
bool(true)
int(1)
enum(Suit::Hearts)
string(5) "plain"
