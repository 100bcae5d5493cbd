--TEST--
A signal that comes before stream_select() is not slept over: Signal::stream() stays readable until Signal::dispatch()
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip valgrind delivers signals later');
--FILE--
<?php
use RustDaemon\Signal;

[$near, $far] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);

/** What wakes a loop of one's own: a signal, the socket, or only the end of its time. */
function wait_for(float $seconds = 30.0): string
{
    $read = ['signal' => Signal::stream(), 'socket' => $GLOBALS['near']];
    $write = $except = null;
    stream_select($read, $write, $except, (int) $seconds);
    return implode(' and ', array_keys($read)) ?: 'nothing';
}

$handled = 0;
Signal::on(['USR1', 'RTMIN'], function () use (&$handled): void {
    $handled++;
});
$send = fn (string $signal = 'USR1') => Signal::send(getmypid(), $signal);
echo 'at first: ', wait_for(0), "\n";

$woken = [];
for ($round = 0; $round < 1000; $round++) {
    $before = $handled;
    $send(); // its handler has run when this returns: the loop has looked before
    $woken[] = wait_for();
    Signal::dispatch();
    if ($handled !== $before + 1) {
        echo "round $round: $before, then $handled\n";
    }
}
echo json_encode(array_count_values($woken)), ' handled: ', $handled, "\n";

echo 'after dispatch(): ', wait_for(0), "\n";
$send();
fwrite($far, '.');
echo 'with something else: ', wait_for(), "\n";
fread($near, 1);
echo 'not dispatched yet: ', wait_for(), "\n";
Signal::dispatch();

$handled = 0;
Signal::on('USR2', fn () => $send());
$send('USR2');
echo 'sent by a handler: ', wait_for(), ', handled: ', $handled, "\n";
Signal::dispatch();

$handled = 0;
Signal::critical(function () use ($send, &$handled): void {
    $send();
    echo 'in a critical section: ', wait_for(), ', dispatched: ', Signal::dispatch(), ', handled: ', $handled, "\n";
});
echo 'after it: ', $handled, "\n";

$handled = 0;
for ($i = 0; $i < 100; $i++) {
    $send('RTMIN');
}
echo 'a hundred: ', wait_for();
Signal::dispatch();
echo ', handled: ', $handled, ', then ', wait_for(0), "\n";
?>
--EXPECT--
at first: nothing
{"signal":1000} handled: 1000
after dispatch(): nothing
with something else: signal and socket
not dispatched yet: signal
sent by a handler: signal, handled: 1
in a critical section: signal, dispatched: 0, handled: 0
after it: 1
a hundred: signal, handled: 100, then nothing
