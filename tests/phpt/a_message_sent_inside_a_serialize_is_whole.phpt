--TEST--
What is sent and received while a serialize() or unserialize() runs does not take part in it: no object becomes another one
--EXTENSIONS--
rustdaemon
posix
--INI--
error_reporting=24575
--FILE--
<?php
use RustDaemon\Channel;
use RustDaemon\Signal;

class Config
{
    public string $is = 'config';
}
class Context
{
    public string $is = 'context';
}
class Warns
{
    public int $number = 1;

    public function __sleep(): array
    {
        return ['number', 'missing'];
    }
}
class Old implements Serializable
{
    public static ?Closure $inside = null;
    public static mixed $got = null;

    public function __construct(public mixed $held = null)
    {
    }

    public function serialize(): string
    {
        self::$inside && (self::$inside)();
        return serialize($this->held);
    }

    public function unserialize(string $data): void
    {
        self::$inside && self::$got = (self::$inside)();
        $this->held = unserialize($data);
    }
}
$classes = ['Config', 'Context', 'Warns', 'Old'];
$log = Channel::create(1 << 16, $classes);
$jobs = Channel::create(1 << 16, $classes);
$context = new Context();
$send = fn () => $log->send([new Config(), $context]);
$say = function (string $where) use ($log): void {
    [$first, $second] = $log->receive(0.0);
    echo "$where: $first->is $second->is\n";
};

set_error_handler(function () use ($send): bool {
    $send();
    return true;
}, E_WARNING);
serialize([$context, new Warns()]);
$say('an error handler in serialize()');
$jobs->send([$context, new Warns()]);
$say('an error handler in send()');
restore_error_handler();
[$first, $second] = $jobs->receive(0.0);
echo "what was sent itself: $first->is $second->number\n";

Old::$inside = $send;
$text = serialize([$context, new Config(), new Old($context)]);
$say('Serializable::serialize()');
Old::$inside = null;
$outer = unserialize($text);
echo "what was serialized itself: {$outer[0]->is} {$outer[1]->is} {$outer[2]->held->is}\n";

Signal::on('USR1', $send);
Old::$inside = fn () => posix_kill(getmypid(), SIGUSR1);
serialize([$context, new Old()]);
$say('a signal handler');

// What it packs itself refers to what is outside, as it does without a channel; and again inside another one.
$check = function (string $where) use ($jobs): void {
    [$held, $old] = $jobs->receive(0.0);
    echo "$where: {$held->is}, ", $old->held === $held ? 'the same' : 'another', "\n";
};
Old::$inside = null;
$jobs->send([$context, new Old($context)]);
$check('shared with a Serializable');
Old::$inside = function () use ($jobs, $context): void {
    Old::$inside = null;
    $jobs->send([$context, new Old($context)]);
};
serialize([new Config(), new Old()]);
$check('shared with a Serializable, sent in another one');

Old::$inside = null;
$text = serialize([new Config(), new Old()]);
$jobs->send([new Context(), $twice = new Context(), $twice]);
Old::$inside = fn () => $jobs->receive(0.0);
unserialize($text);
[$once, $twice, $again] = Old::$got;
var_dump($twice === $again, $once === $twice);
Old::$inside = null;
$jobs->send([$context, new Old($context)]);
Old::$inside = function () use ($check): void {
    Old::$inside = null;
    $check('shared with a Serializable, received in another one');
};
unserialize($text);

// A fiber cannot be left there, and nothing is in disorder afterwards.
class Suspends
{
    public function __serialize(): array
    {
        Fiber::suspend();
        return [];
    }
}
$any = Channel::create(1 << 16, ['Suspends', 'Config', 'Context']);
$fiber = new Fiber(fn () => $any->send([new Config(), new Suspends()]));
$fiber->start();
$send();
$fiber->resume();
$say('while a fiber is in send()');
echo $any->receive(0.0)[0]->is, "\n";
Old::$inside = fn () => $any->send([new Config(), new Suspends()]);
$fiber = new Fiber(fn () => serialize([new Config(), new Old()]));
try {
    $fiber->start();
} catch (FiberError $e) {
    echo $e->getMessage(), "\n";
}
Old::$inside = null;
echo serialize([new Config(), new Old()]), "\n";
?>
--EXPECT--
an error handler in serialize(): config context
an error handler in send(): config context
what was sent itself: context 1
Serializable::serialize(): config context
what was serialized itself: context config context
a signal handler: config context
shared with a Serializable: context, the same
shared with a Serializable, sent in another one: context, the same
bool(true)
bool(false)
shared with a Serializable, received in another one: context, the same
while a fiber is in send(): config context
config
Cannot switch fibers in current execution context
a:2:{i:0;O:6:"Config":1:{s:2:"is";s:6:"config";}i:1;C:3:"Old":2:{N;}}
