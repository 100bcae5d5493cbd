<?php

declare(strict_types=1);

// What a worker may start: another script that calls install(). It serves nobody and ends.

$worker = RustDaemon\Worker::install(socket: $argv[1]);
echo json_encode(['supervised' => $worker->supervised(), 'pid' => getmypid(), 'slot' => $worker->slot]), "\n";
