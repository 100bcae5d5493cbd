<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

use Illuminate\Console\Events\CommandStarting;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Contracts\Queue\Job;
use Illuminate\Queue\Events\JobExceptionOccurred;
use Illuminate\Queue\Events\JobProcessed;
use Illuminate\Queue\Events\JobProcessing;
use Illuminate\Queue\Events\Looping;
use Illuminate\Queue\Events\WorkerInterrupted;
use Illuminate\Queue\Events\WorkerStarting;
use Illuminate\Queue\Events\WorkerStopping;
use RustDaemon\Client\ClientException;
use RustDaemon\Laravel\Console\Refusal;
use RustDaemon\Signal;
use RustDaemon\Worker;
use Symfony\Component\Console\Input\InputInterface;

/**
 * `queue:work` under a sidecar: a worker like others, without a change to the application.
 *
 * It waits at the gate before Laravel asks for a job, or takes a signal; so the stop signals stay Laravel's: a stop is
 * a SIGTERM, and the job in hand is finished. Its SIGALRM, which ends a job that takes too long, is left alone.
 *
 * What it tells: ready when the loop begins, each job, and why it ends. A pause is obeyed between two jobs, as Laravel
 * has it: a listener of Looping says false.
 *
 * Of a job that dispatches others synchronously the outer one is told.
 *
 * @internal
 */
final class QueueWorker
{
    /** Laravel's own limit comes first; after so many seconds more the sidecar takes the job for hanging. */
    private const GRACE_SECONDS = 5;

    /** How long it asks the sidecar whose stop signal it was. */
    private const PATIENCE_SECONDS = 1.0;

    /** Jobs log and cache where they do without us; and queue:restart is told by the cache. */
    private const OWN_DEFAULTS = ['log_channel' => null, 'cache_store' => null];

    private ?Job $job = null;
    private int $jobs = 0;
    private bool $paused = false;
    private string $signal = 'SIGTERM'; // Laravel 8 takes no other, and has no WorkerInterrupted
    private readonly float $since;
    private readonly mixed $restart;

    private function __construct(
        private readonly Gate $gate,
        private readonly Worker $worker,
        private readonly Application $app,
        private readonly InputInterface $input,
    ) {
        $this->since = hrtime(true) / 1e9;
        $this->restart = $this->lastRestart();
    }

    /**
     * Looks after `queue:work` in a process that a sidecar has started with a link; in all others it does nothing.
     *
     * A single job, `queue:work --once`, is a child of queue:listen's or somebody's hand: no worker.
     */
    public static function watch(Application $app): void
    {
        if (getenv('RUSTDAEMON_LINK') === false) {
            return;
        }
        $app->make('events')->listen(CommandStarting::class, static function (CommandStarting $event) use ($app): void {
            $offered = getenv('RUSTDAEMON_LINK') !== false; // not taken meanwhile
            if ($offered && $event->command === 'queue:work' && !$event->input->hasParameterOption('--once')) {
                $gate = $app->make(Gate::class);
                try {
                    $worker = $gate->pass(defaults: self::OWN_DEFAULTS);
                } catch (Refusal $why) { // the command is Laravel's: it would make a box of it, and exit code 1
                    file_put_contents('php://stderr', "{$why->getMessage()}\n");
                    exit($why->exitCode);
                }
                (new self($gate, $worker, $app, $event->input))->listen();
            }
        });
    }

    private function listen(): void
    {
        $events = $this->app->make('events');
        $events->listen(WorkerStarting::class, fn () => $this->begin());
        $events->listen(Looping::class, fn () => $this->turn() ? null : false);
        $events->listen(JobProcessing::class, fn (JobProcessing $event) => $this->start($event->job));
        $events->listen(JobProcessed::class, fn (JobProcessed $event) => $this->finish($event->job));
        $events->listen(JobExceptionOccurred::class, fn (JobExceptionOccurred $event) => $this->finish($event->job));
        $names = static fn (): array => [SIGINT => 'SIGINT', SIGQUIT => 'SIGQUIT', SIGTERM => 'SIGTERM'];
        $events->listen(WorkerInterrupted::class, fn (WorkerInterrupted $event)
            => $this->signal = $names()[$event->signal]);
        $events->listen(WorkerStopping::class, fn (WorkerStopping $event) => $this->stop($event));
        $this->worker->onPause(fn () => throw new Paused());
        $this->worker->onResume(fn () => $this->paused = false);
        if ($this->app->isDownForMaintenance() && !$this->input->hasParameterOption('--force')) {
            $this->begin(); // Laravel 8 has no WorkerStarting, and no Looping before `artisan up`
        }
    }

    private function begin(): void
    {
        $this->worker->ready();
    }

    /**
     * Between two jobs. Whether to go on; false: Laravel sleeps, and asks again.
     */
    private function turn(): bool
    {
        if ($this->job !== null) { // its end was not told: it had been deleted by another
            $this->finish($this->job);
        }
        if ($this->paused && !$this->isCalled()) {
            return false;
        }
        try {
            if ($this->worker->shouldStop()) { // a stop signal that is not Laravel's, or the sidecar has gone
                $this->app->make('queue.worker')->shouldQuit = true;
                return false;
            }
        } catch (Paused) {
            $this->paused = true; // Laravel does the waiting: its signals and limits go on
        }
        return !$this->paused;
    }

    /**
     * Whether the sidecar wants something: while paused shouldStop() would wait for that.
     */
    private function isCalled(): bool
    {
        Signal::dispatch(); // the stream tells of signals too
        $streams = [$this->worker->stream()];
        $none = [];
        return (bool) @stream_select($streams, $none, $none, 0); // a signal meanwhile: then the next time
    }

    private function start(Job $job): void
    {
        if ($this->job !== null) {
            return;
        }
        $this->job = $job;
        $this->jobs++;
        $seconds = $this->timeout();
        $this->worker->busy($job->resolveName(), $seconds > 0 ? $seconds + self::GRACE_SECONDS : null);
        if ($job->attempts() > 1) {
            $this->worker->progress("attempt {$job->attempts()}");
        }
    }

    private function finish(Job $job): void
    {
        if ($this->job === $job) {
            $this->job = null;
            $this->worker->idle();
        }
    }

    /**
     * Leaves behind why it ends: the reason that its successor and `rustdaemon status` read names what was in hand.
     */
    private function stop(WorkerStopping $event): void
    {
        if ($this->job !== null) { // in the middle of a job only its timeout ends the loop
            $this->worker->progress("ran longer than its timeout of {$this->timeout()} s: queue:work kills itself");
        } elseif (($why = rescue(fn () => $this->why($event), report: false)) !== null) { // the cache may be gone
            $this->worker->busy('queue:work');
            $this->worker->progress("stops: $why");
        }
        $this->gate->leave($this->worker);
    }

    /**
     * Laravel's rules in their order. Null: it was told to stop, and the sidecar knows by whom.
     *
     * @throws ClientException
     */
    private function why(WorkerStopping $event): ?string
    {
        $reason = $event->reason?->name ?? null; // since Laravel 12
        $queue = $this->app->make('queue.worker');
        [$jobs, $seconds] = [$this->option('max-jobs', 0), $this->option('max-time', 0)];
        return match (true) {
            $queue->lostConnection ?? false => 'the connection to the database is lost',
            (bool) $queue->shouldQuit => $this->isKnownToTheSidecar() ? null : "$this->signal from outside",
            $reason === 'MaxMemoryExceeded', $event->status === $queue::EXIT_MEMORY_LIMIT =>
                "it has used more than --memory={$this->option('memory', 128)}",
            $this->lastRestart() !== $this->restart => 'artisan queue:restart',
            $jobs > 0 && $this->jobs >= $jobs => "it has done --max-jobs=$jobs",
            $seconds > 0 && hrtime(true) / 1e9 - $this->since >= $seconds => "it has run for --max-time=$seconds",
            $this->input->hasParameterOption('--stop-when-empty') => 'the queue is empty',
            default => null,
        };
    }

    /**
     * Whether the sidecar has sent the stop signal, or was told who has. Laravel has taken it by pcntl, which does not
     * say who: so the sidecar is asked what it wants of us.
     *
     * @throws ClientException
     */
    private function isKnownToTheSidecar(): bool
    {
        $client = Clients::ofWorker(Settings::of($this->app), self::PATIENCE_SECONDS);
        $workers = $client->status()['workers'];
        $states = array_column($workers, 'state', 'pid');
        return ($states[getmypid()] ?? 'draining') === 'draining';
    }

    /**
     * How long the job in hand may take, in seconds; 0: as long as it does.
     */
    private function timeout(): int
    {
        return (int) ($this->job?->timeout() ?? $this->option('timeout', 60));
    }

    private function option(string $name, int $default): int
    {
        return (int) $this->input->getParameterOption("--$name", $default);
    }

    private function lastRestart(): mixed
    {
        return $this->app->make('cache.store')->get('illuminate:queue:restart');
    }
}
