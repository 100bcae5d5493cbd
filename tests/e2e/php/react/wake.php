<?php

declare(strict_types=1);

// Signals that this process sends itself where a loop that only looks before it waits would sleep them over.

use React\EventLoop\LoopInterface;
use RustDaemon\Signal;

require __DIR__ . '/loop.php';

$flag = false;
$seen = 0;
Signal::on('USR1', function () use (&$flag): void {
    $flag = true;
});
$loop = loop(function () use (&$loop, &$flag, &$seen): void {
    if ($flag) {
        $flag = false;
        $seen++;
        $loop->stop();
    }
});
$send = fn () => Signal::send(getmypid(), 'USR1');
$later = function (int $turns) use (&$later, $loop, $send): void {
    $turns === 0 ? $send() : $loop->futureTick(fn () => $later($turns - 1));
};
[$near, $far] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
$loop->addReadStream($near, function () use ($near, $send): void {
    fread($near, 1);
    $send();
});

$places = [
    'before run()' => $send,
    'in a future tick' => fn () => $loop->futureTick($send),
    'in the last of some future ticks' => fn (int $round) => $later($round % 5),
    'in a timer' => fn () => $loop->addTimer(0.0, $send),
    "in another stream's listener" => fn () => fwrite($far, '.'),
];
foreach ($places as $place => $arrange) {
    $seen = 0;
    for ($round = 0; $round < 1000; $round++) {
        $arrange($round);
        $loop->run();
    }
    echo "$place: $seen\n";
}
