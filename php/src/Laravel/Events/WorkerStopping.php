<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Events;

use RustDaemon\Testing\TestWorker;
use RustDaemon\Worker;

/**
 * The worker has been told to stop, and is about to leave its loop.
 */
final class WorkerStopping
{
    public function __construct(public readonly Worker|TestWorker $worker)
    {
    }
}
