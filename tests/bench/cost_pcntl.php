<?php

// Peer of `cargo xtask bench signal-cost`: ext-pcntl. Arguments: how many signals; "count" to count the calls.

$handled = 0;
$handler = ($argv[2] ?? '') === 'count' ? function (...$a) use (&$handled) { $handled++; } : function (...$a) {};

pcntl_async_signals(true);
pcntl_signal(SIGUSR1, $handler);

$pid = getmypid();
$signals = (int) $argv[1];
for ($i = 0; $i < $signals; $i++) {
    posix_kill($pid, SIGUSR1);
}
echo $handled, "\n";
