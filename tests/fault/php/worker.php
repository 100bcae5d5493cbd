<?php

declare(strict_types=1);

// A worker that handles signals beside its requests.

use RustDaemon\{Signal, Worker};

$handled = 0;
Signal::on(['RTMIN+1', 'USR1'], function () use (&$handled): void {
    $handled++;
});
$worker = Worker::install();
$worker->expose('hold', function (string $fifo): string {
    file_get_contents($fifo);
    return 'held';
});
$worker->expose('handled', fn (): int => $handled);
exit($worker->run());
