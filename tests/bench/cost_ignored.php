<?php

// What `cargo xtask bench signal-cost` subtracts: the same loop, and nobody handles the signal.

$handled = 0;
$handler = ($argv[2] ?? '') === 'count' ? function (...$a) use (&$handled) { $handled++; } : function (...$a) {};

pcntl_signal(SIGUSR1, SIG_IGN);

$pid = getmypid();
$signals = (int) $argv[1];
for ($i = 0; $i < $signals; $i++) {
    posix_kill($pid, SIGUSR1);
}
echo $handled, "\n";
