<?php

declare(strict_types=1);

// Signals from another process at random times, about half of them on the loop's way into its wait, where it works a bit.

use RustDaemon\{Signal, SignalInfo};

require __DIR__ . '/loop.php';

/** Works for some tens of microseconds at most. */
function work(int $most): void
{
    for ($left = mt_rand(0, $most); $left > 0; $left--) {
        // nothing
    }
}

[$near, $far] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
$parent = getmypid();
$child = pcntl_fork();
if ($child === 0) {
    fclose($near);
    for ($number = 1; ($byte = fread($far, 1)) !== '' && $byte !== false; $number++) {
        work(3000);
        // By turns a signal that coalesces and one that counts, the latter now and then three times.
        $signal = $number % 2 === 1 ? ['USR1', null] : ['RTMIN+1', $number];
        for ($times = $number % 10 === 0 ? 3 : 1; $times > 0; $times--) {
            Signal::send($parent, ...$signal);
        }
    }
    exit;
}
fclose($far);

$sum = 0;
$flags = 0;
Signal::on('RTMIN+1', function (SignalInfo $info) use (&$sum): void {
    $sum += $info->value;
});
Signal::on('USR1', function () use (&$flags): void {
    $flags++;
});
$round = 0;
$next = function () use (&$loop, &$sum, &$flags, &$round, $near): void {
    [$sum, $flags] = [0, 0];
    $round++;
    fwrite($near, '.');
    $loop->futureTick(fn () => work(12000));
};
$loop = loop(function () use (&$loop, &$sum, &$flags, &$round, $next): void {
    $expected = match (true) {
        $round % 10 === 0 => [3 * $round, 0],
        $round % 2 === 0 => [$round, 0],
        default => [0, 1],
    };
    if ([$sum, $flags] !== $expected) {
        return; // the rest is on its way
    }
    $round < 1000 ? $next() : $loop->stop();
});
$next();
$loop->run();
fclose($near);
pcntl_waitpid($child, $status);
echo "$round rounds\n";
