<?php

// A task that comes again and again, and waits at a gate the first time.

declare(strict_types=1);

use RustDaemon\Worker;

final class Poller
{
    public int $polls = 0;

    public function __construct(private readonly string $gate)
    {
    }

    public function poll(): void
    {
        if ($this->polls++ === 0) {
            file_get_contents($this->gate);
        }
    }
}

$poller = new Poller($argv[1]);
$worker = Worker::install();
$worker->every(0.05, $poller->poll(...));
$worker->expose('polls', fn () => $poller->polls);
exit($worker->run());
