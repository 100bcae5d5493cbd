<?php

// Peer of `cargo xtask bench signal-storm`: RustDaemon\Signal.

require __DIR__ . '/storm.php';

use RustDaemon\{Signal, SignalInfo};

$seen = new Seen();
Signal::on(Signal::RTMIN + 1, function (SignalInfo $info) use ($seen): void {
    $seen->note($info->value);
});
work($seen, $argv[1], (int) $argv[2]);
