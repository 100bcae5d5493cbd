<?php

declare(strict_types=1);

// A worker whose loop is ReactPHP's. The first shouldStop() says that it is ready.

use RustDaemon\Worker;

require __DIR__ . '/loop.php';

$worker = Worker::install();
$loop = loop(function () use (&$loop, $worker): void {
    if ($worker->shouldStop()) {
        echo "asked to stop\n";
        $loop->stop();
    }
});
$loop->futureTick(fn () => print $worker->shouldStop() ? "stopped already\n" : "in the loop\n");
$loop->run();
echo "left the loop\n";
