<?php

// Peer of `cargo xtask bench signal-storm`: ext-pcntl, whose siginfo has no payload.

require __DIR__ . '/storm.php';

$seen = new Seen();
pcntl_async_signals(true);
pcntl_signal(SIGRTMIN + 1, function (int $signal, mixed $info) use ($seen): void {
    $seen->note(0);
});
work($seen, $argv[1], (int) $argv[2]);
