<?php

declare(strict_types=1);

namespace RustDaemon;

use RustDaemon\Exception\ExtensionMissing;
use RustDaemon\Exception\InvalidArgument;
use RustDaemon\Exception\NotAllowedHere;
use RustDaemon\Internal\Numbers;
use RustDaemon\Internal\Settings;
use RustDaemon\Internal\Signals;
use RustDaemon\Internal\Tasks;
use RustDaemon\Internal\Unique;

/**
 * The extension's Worker without a sidecar: signals end the loop, tasks are called, nobody calls the methods.
 *
 * The same script runs supervised where the extension is: see stubs/rustdaemon.stub.php for what the verbs do there.
 */
final class Worker
{
    use Unique;

    private static ?self $instance = null;

    public readonly string $name;
    public readonly int $slot;
    public readonly int $generation;
    public readonly ?ExitReason $predecessor;

    private readonly Tasks $tasks;
    /** @var array<string, callable> */
    private array $methods = [];
    /** @var array<string, list<callable>> */
    private array $callbacks = ['start' => [], 'stop' => []];
    private bool $ready = false;
    private bool $starting = false;
    private bool $stopped = false;
    private bool $inTask = false;
    private bool $busy = false;

    private function __construct(string $name)
    {
        [$this->name, $this->slot, $this->generation, $this->predecessor] = [$name, 0, 1, null];
        $this->tasks = new Tasks();
    }

    /**
     * Makes this process a worker, unsupervised: a socket: is said to be of no use here, once.
     *
     * @throws InvalidArgument an argument, or RUSTDAEMON in the environment, is not possible
     * @throws ExtensionMissing a sidecar has started this process, and waits for a worker that speaks to it
     */
    public static function install(
        ?string $name = null,
        ?string $socket = null,
        int|string $mode = 0600,
        ?string $token = null,
        int $workers = 1,
    ): Worker {
        $signals = Signals::get();
        Settings::check($name, $socket, $mode, $token, $workers);
        if (self::$instance !== null) {
            return self::$instance;
        }
        if (getenv('RUSTDAEMON_LINK') !== false) {
            throw ExtensionMissing::for('a worker of a sidecar, unless that runs it with --no-link,');
        }
        if ($socket !== null && !Settings::isOff()) {
            fwrite(STDERR, 'rustdaemon: ext-rustdaemon is not loaded: this worker runs unsupervised, and nobody '
                . "listens on $socket\n");
        }
        $signals->arm();
        return self::$instance = new self($name ?? 'main');
    }

    public function expose(
        string $method,
        callable $handler,
        ?string $description = null,
        bool $idempotent = false,
    ): Worker {
        Settings::checkMethod($method);
        if (isset($this->methods[$method])) {
            throw new InvalidArgument("method: \"$method\" is exposed already");
        }
        $this->methods[$method] = $handler;
        return $this;
    }

    public function concurrency(int $requests): Worker
    {
        Settings::checkConcurrency($requests);
        return $this;
    }

    /**
     * Readable when a signal has arrived. Unlike the extension's it is not readable at a time, when a task of every()
     * or after() is due: PHP has nothing that is. An event loop calls tick(0.0) by a timer of its own too.
     *
     * @return resource
     */
    public function stream()
    {
        return Signals::get()->stream();
    }

    public function every(float $seconds, callable $task): Worker
    {
        $this->tasks->add($seconds, true, $task, hrtime(true));
        return $this;
    }

    public function after(float $seconds, callable $task): Worker
    {
        $this->tasks->add($seconds, false, $task, hrtime(true));
        return $this;
    }

    public function run(): int
    {
        $this->enter('run');
        $this->busy = false;
        while (!$this->stops()) {
            $this->work() || $this->wait(null, true);
        }
        return 0;
    }

    public function tick(?float $timeout): bool
    {
        $until = Numbers::deadline($timeout);
        $this->enter('tick');
        if ($this->stops()) {
            return false;
        }
        if (!$this->work()) {
            $this->wait($until, true);
            $this->work();
        }
        return !$this->stops();
    }

    public function sleep(float $seconds): bool
    {
        $until = Numbers::deadline($seconds, 'seconds') ?? PHP_INT_MAX;
        $this->methods === [] && $this->start();
        do {
            $this->inTask || $this->busy || $this->work();
            if ($this->stops()) {
                return false;
            }
            $slept = hrtime(true) >= $until;
            $slept || $this->wait($until, !$this->inTask && !$this->busy);
        } while (!$slept);
        return true;
    }

    public function shouldStop(): bool
    {
        $this->methods === [] && $this->start();
        $this->inTask || $this->busy || $this->work();
        return $this->stops();
    }

    public function ready(): Worker
    {
        $this->start();
        return $this;
    }

    public function busy(string $what, ?float $deadline = null): void
    {
        Settings::checkDeadline($deadline);
        $this->busy = $this->busy || !$this->inTask; // a task's own ends with it
    }

    public function idle(): void
    {
        $this->busy = $this->busy && $this->inTask;
    }

    public function progress(?string $status = null): void
    {
    }

    public function onStart(callable $callback): Worker
    {
        $this->callbacks['start'][] = $callback;
        return $this;
    }

    public function onStop(callable $callback): Worker
    {
        $this->callbacks['stop'][] = $callback;
        return $this;
    }

    /**
     * Never called: only a sidecar pauses.
     */
    public function onPause(callable $callback): Worker
    {
        return $this;
    }

    /**
     * Never called: only a sidecar resumes.
     */
    public function onResume(callable $callback): Worker
    {
        return $this;
    }

    /**
     * Never called: there are no sessions.
     */
    public function onExpire(callable $callback): Worker
    {
        return $this;
    }

    /**
     * Never called: nobody can send a message.
     */
    public function onMessage(callable $callback): Worker
    {
        return $this;
    }

    /**
     * @return false
     */
    public function supervised(): bool
    {
        return false;
    }

    private function enter(string $verb): void
    {
        if ($this->inTask) {
            throw new NotAllowedHere("RustDaemon\\Worker::$verb() cannot be called while a task of this worker runs: "
                . 'one task at a time');
        }
        $this->start();
    }

    private function start(): void
    {
        if ($this->ready || $this->starting) {
            return;
        }
        $this->starting = true;
        try {
            foreach ($this->callbacks['start'] as $callback) {
                $callback();
            }
            $this->ready = true;
        } finally {
            $this->starting = false;
        }
        $this->tasks->begin(hrtime(true));
    }

    /**
     * Whether to stop; says good-bye the first time.
     */
    private function stops(): bool
    {
        Signals::get()->arm(); // in a child by fork
        if (!Signals::get()->stopRequested()) {
            return false;
        }
        if (!$this->stopped && !$this->inTask && !$this->starting) {
            $this->stopped = true;
            foreach ($this->callbacks['stop'] as $callback) {
                $callback();
            }
        }
        return true;
    }

    /**
     * Calls the tasks that are due by now; whether there were any.
     */
    private function work(): bool
    {
        $begun = hrtime(true);
        $worked = false;
        $next = fn (): ?callable => $this->tasks->take($begun, hrtime(true));
        while ($this->ready && !Signals::get()->stopRequested() && ($task = $next()) !== null) {
            $worked = $this->inTask = true;
            try {
                $task();
            } finally {
                $this->inTask = false;
            }
        }
        return $worked;
    }

    /**
     * Waits until this moment, a stop, until a signal handler has run, or, if it is for those too, a task is due.
     */
    private function wait(?int $until, bool $forTasks): void
    {
        $signals = Signals::get();
        $called = $signals->called();
        $next = $forTasks ? $this->tasks->next() : null;
        $until = min($until ?? PHP_INT_MAX, $next ?? PHP_INT_MAX);
        while (hrtime(true) < $until && !$signals->stopRequested() && $signals->called() === $called) {
            $signals->sleep($until);
        }
    }
}
