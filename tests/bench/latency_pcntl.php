<?php

// Peer of `cargo xtask bench signal-latency`: ext-pcntl; it waits in sleep(). Each signal is answered with the time at which
// its handler began. Argument: "busy": each line of standard input says for how many signals to keep the virtual machine
// busy; "waiting": it waits, and ends by SIGTERM.

$handled = 0;
pcntl_async_signals(true);
pcntl_signal(SIGUSR1, function (int $signal, mixed $info) use (&$handled): void {
    $now = hrtime(true);
    $handled++;
    echo $now, "\n";
});

if ($argv[1] === 'waiting') {
    echo "ready\n";
    while (true) {
        sleep(3600);
    }
}
echo "ready\n";
while (($line = fgets(STDIN)) !== false) {
    $handled = 0;
    $signals = (int) $line;
    echo "busy\n";
    while ($handled < $signals) {
    }
}
