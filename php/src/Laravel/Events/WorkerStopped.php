<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Events;

use RustDaemon\Testing\TestWorker;
use RustDaemon\Worker;
use Throwable;

/**
 * The worker's command has returned, or thrown: what is left is the end of the process.
 *
 * A worker that is killed, or ends by exit() or a fatal error, does not say so itself: its successor does, in
 * `WorkerStarted`.
 */
final class WorkerStopped
{
    public function __construct(public readonly Worker|TestWorker $worker, public readonly ?Throwable $exception)
    {
    }
}
