--TEST--
A channel allows the classes that its maker has named, whatever becomes of the variables that held the names
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;

$named = own_name();
foreach ([fn (array $list) => Channel::create(1 << 12, $list), fn (array $list) => Channel::open($named, 1 << 12, $list)] as $make) {
    $name = 'stdClass';
    $list = [&$name];
    $channel = $make($list);
    $name = 'ArrayObject';
    $channel->send([new ArrayObject([1]), new stdClass()]);
    echo implode(' ', array_map(get_class(...), $channel->receive())), "\n";

    $name = 'stdClass';
    $channel = $make($list);
    $name = 5;
    $channel->send(new stdClass());
    echo get_class($channel->receive()), ' ', var_export($list[0], true), "\n";

    $name = 5;
    echo thrown(fn () => $make($list)), "\n";
}
?>
--EXPECT--
__PHP_Incomplete_Class stdClass
stdClass 5
InvalidArgument: allowedClasses: must hold names of classes only, [App\Job::class] for instance
__PHP_Incomplete_Class stdClass
stdClass 5
InvalidArgument: allowedClasses: must hold names of classes only, [App\Job::class] for instance
