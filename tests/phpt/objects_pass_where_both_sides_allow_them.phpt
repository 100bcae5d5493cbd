--TEST--
Objects go into a channel that allows classes, and are made under the reader's list
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;

final class Job
{
    public function __construct(public string $what)
    {
    }
}
final class Other2
{
}
$name = own_name();
$none = Channel::open($name);
$jobs = Channel::open($name, allowedClasses: [Job::class]);
$all = Channel::open($name, allowedClasses: true);
echo thrown(fn () => $none->send(['job' => new Job('a')])), "\n";
$jobs->send(['job' => new Job('a'), new DateTimeImmutable('2026-01-01 UTC')]);
$value = $jobs->receive(0.0);
echo get_class($value['job']), ' ', $value['job']->what, ' ', get_class($value[0]), "\n";
$all->send([new Job('b'), new Other2()]);
$value = $all->receive(0.0);
echo get_class($value[0]), ' ', get_class($value[1]), "\n";
$all->send(new Job('c'));
echo get_class($none->receive(0.0)), "\n";
echo thrown(fn () => $all->send(fn () => 1)), "\n";
?>
--EXPECT--
InvalidArgument: value['job']: is an object of Job, and this channel carries none: make it with allowedClasses, or send an array
Job a __PHP_Incomplete_Class
Job Other2
__PHP_Incomplete_Class
InvalidArgument: value: is a Closure, which cannot be serialized
