--TEST--
Signals of all kinds are handled in the order in which they arrived
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip valgrind delivers signals in an order of its own');
--FILE--
<?php
use RustDaemon\{Signal, SignalInfo};

$order = [];
Signal::on(['USR1', 'USR2', 'ALRM', 'RTMIN', 'RTMIN+5'], function (SignalInfo $info) use (&$order): void {
    $order[] = "$info->name $info->value";
});
// One at a time, because the kernel gives out what waits by number.
Signal::critical(function (): void {
    foreach ([['RTMIN+5', 1], ['USR2', 2], ['RTMIN', 3], ['RTMIN+5', 4], ['USR1', 5], ['ALRM', 6], ['RTMIN', 7]] as [$signal, $value]) {
        Signal::send(getmypid(), $signal, $value);
    }
    echo implode(', ', array_map(fn (SignalInfo $info) => "$info->name $info->value", Signal::pending())), "\n";
});
echo implode(', ', $order), "\n";
var_dump(Signal::pending());
?>
--EXPECT--
SIGRTMIN+5 1, SIGUSR2 2, SIGRTMIN 3, SIGRTMIN+5 4, SIGUSR1 5, SIGALRM 6, SIGRTMIN 7
SIGRTMIN+5 1, SIGUSR2 2, SIGRTMIN 3, SIGRTMIN+5 4, SIGUSR1 5, SIGALRM 6, SIGRTMIN 7
array(0) {
}
