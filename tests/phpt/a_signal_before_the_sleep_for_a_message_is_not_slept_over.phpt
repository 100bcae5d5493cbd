--TEST--
A signal that comes just before a process sleeps for a message or for room is handled at once
--EXTENSIONS--
rustdaemon
ffi
pcntl
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\{Channel, Counter, Signal};

// Each signal is answered from its handler, and the next one is sent at once: while the waiter goes back to sleep.
$waits = [
    'message' => fn () => Channel::create()->receive(),
    'room' => function (): void {
        $channel = Channel::create(4096);
        while ($channel->send(str_repeat('x', 4000))) {
        }
    },
];
foreach ($waits as $what => $wait) {
    $handled = Counter::create();
    $pid = pcntl_fork();
    if ($pid === 0) {
        Signal::on('USR1', fn () => $handled->add());
        $handled->add();
        $wait();
        exit(1);
    }
    for ($round = 1; $round <= 20000; $round++) {
        for ($deadline = deadline(); $handled->get() < $round;) {
            if (microtime(true) > $deadline) {
                echo "$what: signal $round was slept over\n";
                break 2;
            }
        }
        Signal::send($pid, 'USR1');
    }
    Signal::send($pid, 'KILL');
    pcntl_waitpid($pid, $status);
    echo "$what: handled\n";
}
?>
--EXPECT--
message: handled
room: handled
