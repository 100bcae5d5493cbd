<?php

// A loop of its own: two jobs that wait at gates, and a wait for work between them.

declare(strict_types=1);

use RustDaemon\Worker;

$worker = Worker::install();
$worker->busy('first job');
file_get_contents($argv[1]);
$worker->idle();
while (!$worker->shouldStop()) {
    $worker->sleep(600.0);
}
