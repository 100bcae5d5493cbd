<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Events;

use RustDaemon\Testing\TestWorker;
use RustDaemon\Worker;

/**
 * The worker has finished what it had, and serves nothing until it is resumed.
 */
final class WorkerPaused
{
    public function __construct(public readonly Worker|TestWorker $worker)
    {
    }
}
