<?php

declare(strict_types=1);

// A worker in a loop of fibers, as Revolt's: each turn runs in one of its own. SIGUSR1 resumes the handler that waits.

use RustDaemon\Signal;
use RustDaemon\Worker;

$worker = Worker::install();
$suspended = null;
$resume = false;
$turns = 0;
$worker->expose('slow', function () use (&$suspended): string {
    $suspended = Fiber::getCurrent();
    return Fiber::suspend();
});
$worker->expose('turns', function () use (&$turns): int {
    return $turns;
});
Signal::on('USR1', function () use (&$resume): void {
    $resume = true;
});
$goesOn = true;
while ($goesOn) {
    [$read, $none] = [[$worker->stream()], null];
    @stream_select($read, $none, $none, 60);
    $turns++;
    (new Fiber(function () use ($worker, &$goesOn): void {
        $goesOn = $worker->tick(0.0) && $goesOn;
    }))->start();
    if ($resume && $suspended !== null) {             // the signal may be faster than the request
        $resume = false;
        $suspended->resume('resumed');
    }
}
