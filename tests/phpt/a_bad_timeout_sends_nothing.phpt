--TEST--
A timeout that cannot be is refused before anything is sent; foreach counts what it has received
--EXTENSIONS--
rustdaemon
--FILE--
<?php
$channel = RustDaemon\Channel::create();
foreach ([-1.0, NAN] as $timeout) {
    try {
        $channel->send('x', $timeout);
    } catch (RustDaemon\Exception\InvalidArgument $e) {
        echo $e->getMessage(), ': ', count($channel), "\n";
    }
}
array_map($channel->send(...), ['a', ['b'], null]);
$channel->close();
$before = [new stdClass(), 'of another value', 1.5];
foreach ($channel as $number => $value) {
    echo $number, ' ', json_encode($value), "\n";
}
?>
--EXPECT--
timeout: must be a number of seconds from 0.0, or null to wait as long as it takes: 0
timeout: must be a number of seconds from 0.0, or null to wait as long as it takes: 0
0 "a"
1 ["b"]
2 null
