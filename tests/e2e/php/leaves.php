<?php

declare(strict_types=1);

// A worker that takes its time after its loop: it stands at the FIFO `gate` beside the socket.

$worker = RustDaemon\Worker::install();
$worker->expose('pid', fn (): int => getmypid());
$gate = dirname(getenv('RUSTDAEMON_SOCKET')) . '/gate';
$worker->run();
file_get_contents($gate);
