<?php

declare(strict_types=1);

namespace RustDaemon\Testing;

use RustDaemon\Client\ClientInterface;
use RustDaemon\Exception\InvalidArgument;
use RustDaemon\Internal\Settings;

/**
 * Runs what a worker would run, in the test's own process: the verbs of RustDaemon\Worker, and a clock that you move.
 *
 * ```php
 * function offer(Worker|TestWorker $worker, Plc $plc): void     // the function that your daemon.php calls too
 * {
 *     $worker->expose('plc.read', fn (string $node): float => $plc->read($node))->every(30.0, $plc->poll(...));
 * }
 *
 * offer($worker = new TestWorker(), $plc);
 * self::assertSame(1.5, $worker->start()->client()->call('plc.read', 'ns=2;s=Speed'));
 * $worker->advance(60.0);                                       // $plc->poll() was called twice
 * ```
 *
 * What a handler throws is a RemoteException at the client, what a task or another callback throws leaves the method
 * that has called it. Request::current() is null in handlers, and whatever belongs to processes (signals, pauses, the
 * socket) is not here: for these start a real daemon.
 */
final class TestWorker
{
    public readonly string $name;
    public readonly int $slot;
    public readonly int $generation;
    public readonly null $predecessor;

    private readonly FakeClient $client;
    /** @var array<string, true> */
    private array $methods = [];
    private bool $ready = false;
    private bool $stopping = false;
    /** Seconds since it is ready. */
    private float $now = 0.0;
    /** @var list<array{float, null|float, callable}> when it is due, how often, what; in the order of their registration */
    private array $tasks = [];
    /** @var array<string, list<callable>> */
    private array $callbacks = [];

    /** @var callable|null */
    private $whileItRuns;

    /**
     * @param callable|null $whileItRuns function (TestWorker $worker): void, what the test does while it runs: called
     * once, by the first run(), shouldStop(), sleep() or tick(), and when it has returned the worker stops
     */
    public function __construct(string $name = 'main', int $slot = 0, ?callable $whileItRuns = null)
    {
        [$this->name, $this->slot, $this->generation, $this->predecessor] = [$name, $slot, 1, null];
        $this->whileItRuns = $whileItRuns;
        $this->client = new FakeClient();
    }

    /**
     * Asks the exposed methods.
     */
    public function client(): ClientInterface
    {
        return $this->client;
    }

    /**
     * Calls what onStart() was given, once.
     */
    public function start(): self
    {
        $this->ready || $this->tell('start');
        $this->ready = true;
        return $this;
    }

    /**
     * Lets time pass, and calls the tasks that become due, each turn of them, in the order of their times.
     */
    public function advance(float $seconds): self
    {
        $end = $this->start()->now + $seconds;
        while (!$this->stopping && ($next = $this->next($end)) !== null) {
            [$this->now, $period, $task] = $this->tasks[$next];
            if ($period === null) {
                unset($this->tasks[$next]);
            } else {
                $this->tasks[$next][0] += $period;
            }
            $task();
        }
        $this->now = $end;
        return $this;
    }

    /**
     * Sends it a message, as ClientInterface::send() does.
     */
    public function message(string $name, mixed $payload = null): self
    {
        return $this->tell('message', $name, json_decode(json_encode($payload, JSON_THROW_ON_ERROR), true));
    }

    /**
     * Lets a session expire.
     */
    public function expire(string $value): self
    {
        return $this->tell('expire', $value);
    }

    /**
     * Tells it to stop, and calls what onStop() was given, once.
     */
    public function stop(): self
    {
        $this->stopping || $this->tell('stop');
        $this->stopping = true;
        return $this;
    }

    public function expose(
        string $method,
        callable $handler,
        ?string $description = null,
        bool $idempotent = false,
    ): self {
        Settings::checkMethod($method);
        if (isset($this->methods[$method])) {
            throw new InvalidArgument("method: \"$method\" is exposed already");
        }
        $this->methods[$method] = true;
        $this->client->answer($method, $handler(...));
        return $this;
    }

    public function concurrency(int $requests): self
    {
        Settings::checkConcurrency($requests);
        return $this;
    }

    public function every(float $seconds, callable $task): self
    {
        Settings::checkSeconds($seconds, again: true);
        $this->tasks[] = [$this->now + $seconds, $seconds, $task];
        return $this;
    }

    public function after(float $seconds, callable $task): self
    {
        Settings::checkSeconds($seconds, again: false);
        $this->tasks[] = [$this->now + $seconds, null, $task];
        return $this;
    }

    public function onStart(callable $callback): self
    {
        return $this->on('start', $callback);
    }

    public function onStop(callable $callback): self
    {
        return $this->on('stop', $callback);
    }

    public function onPause(callable $callback): self
    {
        return $this->on('pause', $callback);
    }

    public function onResume(callable $callback): self
    {
        return $this->on('resume', $callback);
    }

    public function onExpire(callable $callback): self
    {
        return $this->on('expire', $callback);
    }

    public function onMessage(callable $callback): self
    {
        return $this->on('message', $callback);
    }

    public function ready(): self
    {
        return $this->start();
    }

    public function shouldStop(): bool
    {
        return $this->enter()->stopping;
    }

    /**
     * Has the test do what it wants to do while it runs, then stops.
     */
    public function run(): int
    {
        $this->enter()->stop();
        return 0;
    }

    /**
     * Lets the time pass, as advance() does; whether to go on. A loop of the script's own ends when the test has done
     * what it wants, or a task has called stop(): `$worker->after(5.0, $worker->stop(...))`.
     */
    public function sleep(float $seconds): bool
    {
        $this->enter();
        return !$this->advance($seconds)->stopping;
    }

    /**
     * As sleep(): requests come from client().
     *
     * @param float|null $timeout null: until the next task is due; where there is none, it stops: nothing would come
     */
    public function tick(?float $timeout): bool
    {
        $this->enter();
        $next = $this->tasks === [] ? null : max(0.0, min(array_column($this->tasks, 0)) - $this->now);
        return $timeout === null && $next === null ? !$this->stop()->stopping : $this->sleep($timeout ?? $next);
    }

    public function supervised(): bool
    {
        return false;
    }

    public function busy(string $what, ?float $deadline = null): void
    {
    }

    public function idle(): void
    {
    }

    public function progress(?string $status = null): void
    {
    }

    /**
     * The worker's code has come to its loop: it is ready, and the test has its turn.
     */
    private function enter(): self
    {
        $this->start();
        [$test, $this->whileItRuns] = [$this->whileItRuns, null]; // the test may let tasks run that come here too
        if ($test !== null) {
            $test($this);
            $this->stop();
        }
        return $this;
    }

    private function on(string $event, callable $callback): self
    {
        $this->callbacks[$event][] = $callback;
        return $this;
    }

    private function tell(string $event, mixed ...$arguments): self
    {
        foreach ($this->callbacks[$event] ?? [] as $callback) {
            $callback(...$arguments);
        }
        return $this;
    }

    private function next(float $end): ?int
    {
        $due = array_filter(array_column($this->tasks, 0), static fn (float $at): bool => $at <= $end);
        asort($due); // stable: those of the same time in the order of their registration
        $place = array_key_first($due);
        return $place === null ? null : array_keys($this->tasks)[$place];
    }
}
