<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

use Illuminate\Contracts\Events\Dispatcher;
use Illuminate\Contracts\Foundation\Application;
use RustDaemon\Internal\Extension;
use RustDaemon\Laravel\Console\Refusal;
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
 * Where a Laravel process becomes a worker: Worker::install() with the application's settings, its log, its cache and
 * its events.
 *
 * Correct order: everything is checked; then install() is passed, which may replace the process; only then are defaults
 * changed and listeners called. What is opened before install() would be opened twice.
 */
final class Gate
{
    /**
     * Whose events are told already: a process becomes a worker once.
     */
    private static Worker|TestWorker|null $told = null;

    public function __construct(private readonly Application $app, private readonly Dispatcher $events)
    {
    }

    /**
     * Waits until this process is let in as a worker; or becomes the sidecar, and does not return.
     *
     * Keys are those of config/rustdaemon.php, "name" and "workers". A worker that a sidecar has started is let in by
     * that one: its socket, mode and token are not asked for again, unless somebody has typed others.
     *
     * @param array<string, mixed> $typed options of the command line, which are the strongest
     * @param array<string, mixed> $defaults what counts before config/rustdaemon.php does
     * @throws Refusal
     */
    public function pass(array $typed = [], array $defaults = []): Worker|TestWorker
    {
        try {
            $settings = Settings::of($this->app)->with($defaults, 'workerDefaults()')->typed($typed);
            $defaults = array_filter(['log' => $settings->logChannel(), 'cache' => $settings->cacheStore()]);
            $arguments = $settings->install(isSupervised: getenv('RUSTDAEMON_LINK') !== false);
        } catch (InvalidConfiguration $why) {
            throw Refusal::usage($why->getMessage());
        }
        $isFake = $this->app->bound(TestWorker::class);
        $worker = $isFake ? $this->app->make(TestWorker::class)->begin() : $this->install($arguments);
        foreach ($defaults as $manager => $name) {
            $this->app->make($manager)->setDefaultDriver($name);
        }
        $this->app->forgetInstance('cache.store');
        self::$told === $worker || $this->tell(self::$told = $worker);
        return $worker;
    }

    /**
     * @param array<string, mixed> $arguments
     */
    private function install(array $arguments): Worker
    {
        if (class_exists('PHPUnit\Framework\TestCase', false)) {
            throw Refusal::usage('PHPUnit would become the sidecar: say RustDaemon::fakeWorker() before the command');
        }
        try {
            Extension::check();
            $this->warnOf($arguments['socket'] ?? null);
            $worker = Worker::install(...$arguments);
        } catch (Throwable $why) {
            throw Refusal::ofTheGate($why);
        }
        $worker->supervised() && $this->enter();
        return $worker;
    }

    /**
     * A sidecar that a worker has become keeps the directory in which it was started, and so do its later workers: that
     * of a release which may be gone.
     */
    private function enter(): void
    {
        $base = $this->app->basePath();
        $here = @getcwd();
        ($here === false || (new Release($base))->isAnothers($here)) && chdir("$base/");
    }

    /**
     * @param string|null $socket of a sidecar that this process is about to become
     */
    private function warnOf(?string $socket): void
    {
        $isNone = $socket === null || getenv('RUSTDAEMON_LINK') !== false || !extension_loaded('rustdaemon');
        $warning = $isNone ? null : (new Release($this->app->basePath()))->warning($socket);
        $warning === null || file_put_contents('php://stderr', "$warning\n");
    }

    /**
     * The command has ended.
     */
    public function leave(Worker|TestWorker $worker, ?Throwable $why = null): void
    {
        $this->events->dispatch(new WorkerStopped($worker, $why));
        if ($worker instanceof TestWorker) {
            $worker->end();
            self::$told = null; // the next command is another process, as it were
        }
    }

    private function tell(Worker|TestWorker $worker): void
    {
        $events = $this->events;
        $worker->onStart(static fn () => $events->dispatch(new WorkerReady($worker)));
        $worker->onPause(static fn () => $events->dispatch(new WorkerPaused($worker)));
        $worker->onResume(static fn () => $events->dispatch(new WorkerResumed($worker)));
        $worker->onStop(static fn () => $events->dispatch(new WorkerStopping($worker)));
        $events->dispatch(new WorkerStarted($worker));
    }
}
