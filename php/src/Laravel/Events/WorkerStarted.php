<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Events;

use RustDaemon\Testing\TestWorker;
use RustDaemon\Worker;

/**
 * The process has passed the gate: it is a worker, and serves nothing yet. `$event->worker->predecessor` says why the
 * one before it ended.
 */
final class WorkerStarted
{
    public function __construct(public readonly Worker|TestWorker $worker)
    {
    }
}
