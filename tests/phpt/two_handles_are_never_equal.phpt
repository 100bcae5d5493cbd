--TEST--
Two channels, counters, locks or processes are never equal, and each equals itself
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;
use RustDaemon\Counter;
use RustDaemon\Lock;
use RustDaemon\Process;

$pairs = [
    [Channel::create(), Channel::create()],
    [Counter::create(1), Counter::create(1)],
    [Lock::open(own_name()), Lock::open(own_name())],
    [Process::fork(fn () => 0), Process::fork(fn () => 0)],
];
foreach ($pairs as [$one, $other]) {
    $same = $one;
    echo get_class($one), ' ', json_encode([
        $one == $other, $one != $other, in_array($other, [$one]), array_search($other, [$one, $other]), [$one] == [$other],
        $one < $other, $one > $other,
    ]), ' itself ', json_encode([$one == $same, [$one] == [$same], $one <=> $same]),
        ' with what is no handle ', json_encode([$one == true, $one == null, $one == 'text', $one == new stdClass(), new stdClass() == $one]), "\n";
}
$pairs[3][0]->wait();
$pairs[3][1]->wait();
// Values are compared by what they hold.
var_dump($pairs[3][0]->wait() == $pairs[3][0]->wait(), $pairs[3][0]->wait() === $pairs[3][0]->wait());
?>
--EXPECT--
RustDaemon\Channel [false,true,false,1,false,false,false] itself [true,true,0] with what is no handle [true,false,false,false,false]
RustDaemon\Counter [false,true,false,1,false,false,false] itself [true,true,0] with what is no handle [true,false,false,false,false]
RustDaemon\Lock [false,true,false,1,false,false,false] itself [true,true,0] with what is no handle [true,false,false,false,false]
RustDaemon\Process [false,true,false,1,false,false,false] itself [true,true,0] with what is no handle [true,false,false,false,false]
bool(true)
bool(false)
