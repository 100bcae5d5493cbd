<?php

declare(strict_types=1);

// What the scripts beside this one have in common: ReactPHP's loop that waits in stream_select(), with Signal::stream() in
// it and a timer of half a minute, which is the only other thing that could wake it.

use React\EventLoop\StreamSelectLoop;
use RustDaemon\Signal;

require $argv[1];

/** A loop that calls $look after each wake-up by a signal. */
function loop(callable $look): StreamSelectLoop
{
    $loop = new StreamSelectLoop();
    $loop->addReadStream(Signal::stream(), function () use ($look): void {
        Signal::dispatch();
        $look();
    });
    $loop->addTimer(30.0, fn () => exit("slept over a signal\n"));
    return $loop;
}
