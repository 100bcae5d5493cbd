<?php

declare(strict_types=1);

// A worker whose script takes stop signals, and gives them back.

use RustDaemon\{Signal, Worker};

['term' => $term] = json_decode($argv[1], true, flags: JSON_THROW_ON_ERROR);
$worker = Worker::install();
if ($term) {
    Signal::on('TERM', fn () => print "the script's own TERM\n");
}
$worker->expose('off', Signal::off(...));
$worker->expose('pcntl', function (string $signal): void {
    pcntl_async_signals(true);
    pcntl_signal(constant("SIG$signal"), function (): void {
    });
});
exit($worker->run());
