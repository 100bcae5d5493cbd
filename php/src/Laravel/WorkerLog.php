<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

use Illuminate\Contracts\Events\Dispatcher;
use Illuminate\Contracts\Foundation\Application;
use RustDaemon\ExitReason;
use RustDaemon\Laravel\Events\WorkerPaused;
use RustDaemon\Laravel\Events\WorkerReady;
use RustDaemon\Laravel\Events\WorkerResumed;
use RustDaemon\Laravel\Events\WorkerStarted;
use RustDaemon\Laravel\Events\WorkerStopped;
use RustDaemon\Laravel\Events\WorkerStopping;
use RustDaemon\Testing\TestWorker;
use RustDaemon\Worker;
use Throwable;

/**
 * Writes what happens to workers into the log, how the one before ended first of all.
 *
 * A log that cannot be written, because the disk is full, is no reason for a worker to end: the line goes to standard
 * error then, which is the sidecar's to keep.
 *
 * @internal
 */
final class WorkerLog
{
    /**
     * Ends that somebody has asked for: not worth a warning.
     */
    private const ORDINARY = ['exit', 'stop', 'restart', 'reload', 'max_requests', 'max_lifetime', 'memory_soft'];

    public function __construct(private readonly Application $app)
    {
    }

    public function subscribe(Dispatcher $events): void
    {
        $events->listen(WorkerStarted::class, $this->started(...));
        $events->listen(WorkerReady::class, fn (WorkerReady $event) => $this->say($event->worker, 'is ready'));
        $events->listen(WorkerPaused::class, fn (WorkerPaused $event) => $this->say($event->worker, 'is paused'));
        $events->listen(WorkerResumed::class, fn (WorkerResumed $event) => $this->say($event->worker, 'goes on'));
        $events->listen(WorkerStopping::class, fn (WorkerStopping $event) => $this->say($event->worker, 'stops'));
        $events->listen(WorkerStopped::class, $this->stopped(...));
    }

    private function started(WorkerStarted $event): void
    {
        $worker = $event->worker;
        if ($worker->predecessor !== null) {
            $this->mourn($worker, $worker->predecessor);
        }
        $this->say($worker, 'is started', ['generation' => $worker->generation, 'supervised' => $worker->supervised()]);
    }

    private function mourn(Worker|TestWorker $worker, ExitReason $reason): void
    {
        $isOrdinary = in_array($reason->reason, self::ORDINARY, true) && ($reason->code ?? 0) === 0;
        $isKnown = static fn (mixed $value): bool => !in_array($value, [null, []], true);
        $context = array_filter(get_object_vars($reason), $isKnown);
        unset($context['message']);
        $this->say($worker, "follows one that ended: $reason->message", $context, $isOrdinary ? 'info' : 'warning');
    }

    private function stopped(WorkerStopped $event): void
    {
        $why = $event->exception;
        $context = $why === null ? [] : ['exception' => $why::class];
        $this->say($event->worker, 'has ended' . ($why === null ? '' : ": {$why->getMessage()}"), $context);
    }

    /**
     * @param array<string, mixed> $context
     */
    private function say(Worker|TestWorker $worker, string $what, array $context = [], string $level = 'info'): void
    {
        $line = "worker $worker->name#$worker->slot $what";
        try {
            $this->app->make('log')->log($level, $line, $context + ['pid' => getmypid()]);
        } catch (Throwable $why) {
            fwrite(STDERR, "$line (not logged: {$why->getMessage()})\n");
        }
    }
}
