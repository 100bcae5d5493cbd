--TEST--
wait() returns a signal that was named; handlers of others run meanwhile; it keeps its deadline
--EXTENSIONS--
rustdaemon
ffi
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip valgrind delivers signals in an order of its own');
--FILE--
<?php
use RustDaemon\{Signal, SignalInfo};

$name = fn (?SignalInfo $info): string => $info === null ? 'null' : "$info->name $info->value";
Signal::on('USR2', fn () => print "handler of USR2\n");
Signal::on('ALRM', fn () => throw new DomainException('ALRM'));
$send = fn (string $signal, ?int $value = null) => Signal::send(getmypid(), $signal, $value);

$start = hrtime(true);
echo $name(Signal::wait(0.0, 'USR1', 'RTMIN')), ' ', $name(Signal::wait(0.05, 'USR1', 'RTMIN')), "\n";
echo hrtime(true) - $start >= 50_000_000 ? "not before its time\n" : "too early\n";
// What comes between two waits is kept, in order.
$send('USR1');
$send('RTMIN', 1);
$send('RTMIN', 2);
echo implode(', ', array_map($name, Signal::pending())), "\n";
echo $name(Signal::wait(10.0, 'RTMIN')), ', ', $name(Signal::wait(null, 'RTMIN', 'USR1')), ', ', $name(Signal::wait(null, 'RTMIN')), "\n";
// The handler of what is waited for is not called; others are.
$send('USR2', 7);
Signal::critical(fn () => [$send('USR2', 9), $send('USR1', 10)]);
echo $name(Signal::wait(10.0, 'USR1')), "\n";
Signal::critical(function () use ($send, $name): void {
    $send('USR2', 11);
    echo 'in a section: ', $name(Signal::wait(10.0, 'USR2')), "\n";
});
// None named: whatever is captured.
Signal::critical(function () use ($send, $name): void {
    $send('RTMIN', 12);
    $send('USR2', 13);
    echo $name(Signal::wait(10.0)), ', ', $name(Signal::wait(10.0)), "\n";
});
// An exception of a handler leaves it.
try {
    Signal::critical(fn () => $send('ALRM'), 'USR1');
    Signal::wait(10.0, 'USR1');
} catch (DomainException $e) {
    echo 'left by ', $e->getMessage(), "\n";
}
// Another process, while it waits.
require __DIR__ . '/include/sidecar.php';
$code = 'use RustDaemon\Signal; foreach ([[12, 1], [34, 2], [10, 4]] as [$s, $v]) Signal::send((int) $argv[1], $s, $v);';
$child = proc_open([...php(), '-r', $code, '--', (string) getmypid()], [], $pipes);
echo $name(Signal::wait(10.0, 'USR1')), ', ', $name(Signal::wait(0.0, 'RTMIN')), "\n";
proc_close($child);
// More than are kept in the process: the kernel keeps the rest.
Signal::wait(0.0, 'RTMIN+1');
for ($i = 0; $i < 3000; $i++) {
    $send('RTMIN+1', $i);
    $i % 100 === 0 && Signal::pending();
}
for ($i = 0; Signal::wait(0.0, 'RTMIN+1')?->value === $i; $i++) {
}
echo "$i\n";
Signal::off('RTMIN+1');
?>
--EXPECT--
null null
not before its time
SIGUSR1 , SIGRTMIN 1, SIGRTMIN 2
SIGRTMIN 1, SIGUSR1 , SIGRTMIN 2
handler of USR2
handler of USR2
SIGUSR1 10
in a section: SIGUSR2 11
SIGRTMIN 12, SIGUSR2 13
left by ALRM
handler of USR2
SIGUSR1 4, SIGRTMIN 2
3000
