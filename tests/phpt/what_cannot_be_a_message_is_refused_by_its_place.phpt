--TEST--
A value that cannot be a message is refused when it is sent, with its place in the value; nothing is sent of it
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;

final class Job
{
}
class Refuses
{
    public function __serialize(): array
    {
        throw new LogicException('thrown in __serialize()');
    }
}
$none = Channel::create();
$all = Channel::create(1 << 16, allowedClasses: true);
$say = fn (Channel $channel, mixed $value) => print thrown(fn () => $channel->send($value)) . "\n";
$say($none, new Job());
$say($none, ['jobs' => [1, 2, new Job()]]);
$say($all, STDIN);
$say($all, ['a' => ['b' => fn () => 1]]);
$say($all, new class () {
});
$say($all, [5 => (fn () => yield 1)()]);
$say($all, [$all]);
$say($all, new Refuses());
$say($all, [[new Refuses()]]);
$closed = fopen('php://memory', 'r');
fclose($closed);
$say($all, ["it's" => $closed]);
$itself = [];
$itself['self'] = &$itself;
$say($all, $itself);
$say($all, ['x', $itself]);
$deep = 1;
for ($level = 0; $level < 513; $level++) {
    $deep = [$deep];
}
$say($all, $deep);
$double = [1];
for ($level = 0; $level < 60; $level++) {
    $double = [$double, $double];
}
$say($all, $double);
foreach ([true, 7, [7], [''], ['Job', null], 'Job', null] as $classes) {
    echo thrown(fn () => is_object(Channel::create(allowedClasses: $classes))), "\n";
}
var_dump(count($none), count($all));
?>
--EXPECT--
InvalidArgument: value: is an object of Job, and this channel carries none: make it with allowedClasses, or send an array
InvalidArgument: value['jobs'][2]: is an object of Job, and this channel carries none: make it with allowedClasses, or send an array
InvalidArgument: value: is a resource (stream), which no other process can use
InvalidArgument: value['a']['b']: is a Closure, which cannot be serialized
InvalidArgument: value: is a class@anonymous, which cannot be serialized
InvalidArgument: value[5]: is a Generator, which cannot be serialized
InvalidArgument: value[0]: is a RustDaemon\Channel, which cannot be serialized
LogicException: thrown in __serialize()
LogicException: thrown in __serialize()
InvalidArgument: value['it's']: is a resource (closed), which no other process can use
InvalidArgument: value['self']: is an array that contains itself
InvalidArgument: value[1]['self']: is an array that contains itself
InvalidArgument: value: holds arrays in arrays in more than 512 levels
InvalidArgument: value: takes more than 1113986 bytes as a message, and this channel takes up to 69624: make it with more bytes, or send less at a time
returned true
InvalidArgument: allowedClasses: must be true, false or a list of names of classes
InvalidArgument: allowedClasses: must hold names of classes only, [App\Job::class] for instance
InvalidArgument: allowedClasses: must hold names of classes only, [App\Job::class] for instance
InvalidArgument: allowedClasses: must hold names of classes only, [App\Job::class] for instance
InvalidArgument: allowedClasses: must be true, false or a list of names of classes
InvalidArgument: allowedClasses: must be true, false or a list of names of classes
int(0)
int(0)
