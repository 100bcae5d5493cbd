<?php

declare(strict_types=1);

// As queue:work: a loop that neither run() nor tick() knows of, and a signal handler of its own. Jobs are FIFOs.

use RustDaemon\{Signal, Worker};

$worker = Worker::install();
$quit = false;
Signal::on(Signal::TERM, function () use (&$quit): void {
    $quit = true;
});
$worker->ready();
foreach (array_slice($argv, 1) as $number => $job) {
    $worker->busy("job $number");
    file_get_contents($job);
    $worker->idle();
}
while (!$quit) {
    usleep(10_000);
}
echo "quits by itself\n";
