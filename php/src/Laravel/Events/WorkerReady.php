<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Events;

use RustDaemon\Testing\TestWorker;
use RustDaemon\Worker;

/**
 * The worker serves: it has entered its loop.
 */
final class WorkerReady
{
    public function __construct(public readonly Worker|TestWorker $worker)
    {
    }
}
