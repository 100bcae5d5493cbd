<?php

declare(strict_types=1);

// Counts realtime signals that carry 0, 1, 2, ... while it is busy with something else: storm.php HOW COUNT

use RustDaemon\{Signal, SignalInfo};

[, $how, $count] = $argv;
$next = 0;
$wrong = 0;
$main = getmypid();
$in_child = 0;
Signal::on('RTMIN+1', function (SignalInfo $info) use (&$next, &$wrong, &$in_child, $main): void {
    $in_child += getmypid() !== $main;
    $wrong += $info->value !== $next++;
});
$children = 0;
echo "ready\n";
while ($next < (int) $count || $how === 'forks' && $children < 300) {
    if ($how === 'blocked') {
        hash_pbkdf2('sha256', 'password', 'salt', 400_000); // some tenths of a second in C code
    } elseif ($how === 'forks' && $children++ < 300) {
        $pid = pcntl_fork();
        if ($pid === 0) {
            $before = $in_child;
            for ($i = 0; $i < 1000; $i++) {
                strlen('safe points');
            }
            pcntl_exec('/bin/sh', ['-c', 'exit ' . ($in_child === $before && Signal::pending() === [] ? 0 : 1)]);
        }
        do {
            $waited = pcntl_waitpid($pid, $status);
        } while ($waited === -1 && pcntl_get_last_error() === PCNTL_EINTR);
        $in_child += pcntl_wexitstatus($status);
    } elseif ($how === 'sleeps') {
        RustDaemon\Worker::install()->sleep(10.0);
    }
}
echo json_encode(['handled' => $next, 'wrong' => $wrong, 'in children' => $in_child]), "\n";
