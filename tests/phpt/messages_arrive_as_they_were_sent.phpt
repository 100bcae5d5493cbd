--TEST--
Scalars and arrays arrive as they were sent: type, bits, keys and their order; references as plain values
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';

$channel = RustDaemon\Channel::create(1 << 22);
$pass = function (mixed $value) use ($channel): mixed {
    $channel->send($value);
    return $channel->receive(0.0);
};
$holes = [1, 2, 3, 4];
unset($holes[1]);
$shorter = [1, 2, 3, 4];
unset($shorter[3]);
$values = [
    null, true, false, 0, -1, PHP_INT_MAX, PHP_INT_MIN, 1.5, -0.0, INF, NAN, 5e-324,
    '', 'a', '0', "a\0b", "\xff\xfe", str_repeat('long ', 200000), 'zweié',
    [], [[]], [1, 2, 3], [1 => 'x'], [5 => 1, 2 => 2], ['a' => 1, 'b' => ['c' => null]], $holes, $shorter,
    ['1x' => 1, '' => 2, -5 => 3, PHP_INT_MIN => 4, "\0" => 5], range(1, 10000), array_fill_keys(range(0, 20000, 2), 'v'),
];
foreach ($values as $index => $value) {
    if (serialize($pass($value)) !== serialize($value)) {
        echo "value $index is another one\n";
    }
}
$packed = $pass([1, 2]);
$packed[] = 3;
$keyed = $pass(['a' => 1, 7 => 2]);
$keyed[] = 3;
echo json_encode([$packed, $keyed]), "\n";
$number = 5;
$arrived = $pass(['one' => &$number, 'list' => [&$number]]);
$arrived['one'] = 6;
var_dump($number, $arrived['list'][0]);
$same = ['x' => [1]];
$arrived = $pass([$same, $same]);
$arrived[0]['x'][] = 2;
echo json_encode($arrived), "\n";
$deep = 'deepest';
for ($level = 0; $level < 512; $level++) {
    $deep = [$deep];
}
var_dump($pass($deep) === $deep);
$before = memory_get_usage();
for ($turn = 0; $turn < 1000; $turn++) {
    $pass($values);
}
unset($turn);
var_dump(memory_get_usage() - $before < 1000);
?>
--EXPECT--
[[1,2,3],{"a":1,"7":2,"8":3}]
int(5)
int(5)
[{"x":[1,2]},{"x":[1]}]
bool(true)
bool(true)
