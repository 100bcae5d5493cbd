<?php

// Peer of `cargo xtask bench signal-latency`: RustDaemon\Signal; it waits in Worker::sleep(). Each signal is answered with
// the time at which its handler began. Argument: "busy" or "waiting"; see latency_pcntl.php.

use RustDaemon\{Signal, SignalInfo, Worker};

$handled = 0;
Signal::on(Signal::USR1, function (SignalInfo $info) use (&$handled): void {
    $now = hrtime(true);
    $handled++;
    echo $now, "\n";
});

if ($argv[1] === 'waiting') {
    $worker = Worker::install();
    echo "ready\n";
    while ($worker->sleep(3600.0)) {
    }
    exit;
}
echo "ready\n";
while (($line = fgets(STDIN)) !== false) {
    $handled = 0;
    $signals = (int) $line;
    echo "busy\n";
    while ($handled < $signals) {
    }
}
