<?php

declare(strict_types=1);

namespace RustDaemon\Testing;

use RustDaemon\Client\ClientException;
use RustDaemon\Client\ClientInterface;
use RustDaemon\Client\Internal\Frame;
use RustDaemon\Client\RemoteException;
use RustDaemon\Exception\InvalidArgument;
use RustDaemon\Exception\NotAllowedHere;
use RustDaemon\Internal\Handler;
use RustDaemon\Internal\Numbers;
use RustDaemon\Internal\Settings;
use RustDaemon\Internal\Tasks;
use Throwable;

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
    /** A time that does not come. */
    private const NEVER = PHP_INT_MAX;
    /** What a command leaves, and the next one shall not find. */
    private const STATE = ['methods', 'callbacks', 'whileItRuns', 'ready', 'stopping', 'stopped', 'busy'];

    public readonly string $name;
    public readonly int $slot;
    public readonly int $generation;
    public readonly null $predecessor;

    private readonly FakeAnswers $answers;
    private readonly FakeClient $client;
    /** @var array<string, true> */
    private array $methods = [];
    private Tasks $tasks;
    /** @var array<string, list<callable>> */
    private array $callbacks = [];
    /** @var callable|null */
    private $whileItRuns;

    private bool $starting = false;
    private bool $ready = false;
    /** It was told to; stopped: it has said good-bye. */
    private bool $stopping = false;
    private bool $stopped = false;
    private bool $busy = false;
    /** "handler" or "task": what runs. */
    private ?string $inHand = null;
    /** Nanoseconds. */
    private int $now = 0;

    /** @var array<string, mixed>|null what the test had registered when the first command began */
    private ?array $tests = null;
    private bool $ended = false;

    /**
     * @param callable|null $whileItRuns function (TestWorker $worker): void, what the test does while it runs: called
     * once, by the first run(), shouldStop(), sleep() or tick(), and when it has returned the worker stops
     * @throws InvalidArgument
     */
    public function __construct(string $name = 'main', int $slot = 0, ?callable $whileItRuns = null)
    {
        Settings::checkName($name);
        $slot >= 0 || throw new InvalidArgument("slot: $slot is not possible: slots are numbered from 0");
        [$this->name, $this->slot, $this->generation, $this->predecessor] = [$name, $slot, 1, null];
        $this->whileItRuns = $whileItRuns;
        $this->tasks = new Tasks();
        $this->answers = new FakeAnswers();
        $this->answers->set('worker.send', $this->receive(...));
        $this->client = FakeClient::of($this->answers);
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
        if ($this->ready || $this->starting) {
            return $this;
        }
        $this->starting = true;
        try {
            $this->tell('start');
            $this->ready = true;
        } finally {
            $this->starting = false;
        }
        $this->tasks->begin($this->now);
        $this->stops();
        return $this;
    }

    /**
     * Lets time pass, and calls the tasks that become due, in the order of their times. Where one of them has let more
     * time pass, by sleep(), the turns that were missed are one.
     *
     * @throws InvalidArgument the time is negative or not a number
     */
    public function advance(float $seconds): self
    {
        $span = Numbers::span($seconds, 'seconds');
        $this->start();
        $this->pass($span === null ? self::NEVER : $this->now + $span);
        return $this;
    }

    /**
     * Sends it a message: its onMessage() is called as by client()->send(), and what it throws leaves this method as it
     * is. Where it has none, nothing happens.
     *
     * @throws ClientException the name or the payload cannot be sent
     * @throws InvalidArgument a callback takes another type
     */
    public function message(string $name, mixed $payload = null): self
    {
        $sent = Frame::encode(1, 'worker.send', ['name' => $this->name, 'message' => $name, 'payload' => $payload]);
        return $this->deliver(new FakeMessage(json_decode($sent, true)['args']));
    }

    /**
     * Lets a session expire.
     */
    public function expire(string $value): self
    {
        return $this->tell('expire', $value);
    }

    /**
     * Tells it to stop, and calls what onStop() was given, once: in a task, when that has ended. A worker without any
     * callback sees it when it comes to its loop.
     */
    public function stop(): self
    {
        $this->stopping = true;
        $this->callbacks === [] || $this->inHand !== null || $this->start();
        $this->ready && $this->stops();
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
        $serve = fn (array $arguments): mixed => $this->serve(new Handler($handler), $arguments);
        $this->answers->expose($method, $serve, $this->name, $description, $idempotent);
        return $this;
    }

    public function concurrency(int $requests): self
    {
        Settings::checkConcurrency($requests);
        return $this;
    }

    public function every(float $seconds, callable $task): self
    {
        $this->tasks->add($seconds, true, $task, $this->now);
        return $this;
    }

    public function after(float $seconds, callable $task): self
    {
        $this->tasks->add($seconds, false, $task, $this->now);
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
        $this->enter();
        $this->takesTasks() && $this->work();
        return $this->stops();
    }

    /**
     * Has the test do what it wants to do while it runs, then stops.
     *
     * @throws NotAllowedHere from a handler or a task of this worker
     */
    public function run(): int
    {
        $this->refuseIn('run');
        $this->busy = false;
        $this->enter()->stop();
        return 0;
    }

    /**
     * Lets the time pass, as advance() does; whether to go on. A loop of the script's own ends when the test has done
     * what it wants, or a task has called stop(): `$worker->after(5.0, $worker->stop(...))`.
     *
     * @throws InvalidArgument the time is negative or not a number
     */
    public function sleep(float $seconds): bool
    {
        $span = Numbers::span($seconds, 'seconds');
        $this->enter();
        $this->stops() || $this->pass($span === null ? self::NEVER : $this->now + $span);
        return !$this->stops();
    }

    /**
     * Calls the tasks that are due, or lets time pass until some are. Requests come from client().
     *
     * @param float|null $timeout null: until the next task is due; where there is none, it stops: nothing would come
     * @throws InvalidArgument the timeout is negative or not a number
     * @throws NotAllowedHere from a handler or a task of this worker
     */
    public function tick(?float $timeout): bool
    {
        $span = Numbers::span($timeout);
        $this->refuseIn('tick');
        $this->enter();
        if ($this->stops()) {
            return false;
        }
        $until = min($this->tasks->next() ?? self::NEVER, $span === null ? self::NEVER : $this->now + $span);
        if ($until >= self::NEVER) {
            return !$this->stop()->stopping;
        }
        $this->now = max($this->now, $until);
        $this->work();
        return !$this->stops();
    }

    public function supervised(): bool
    {
        return false;
    }

    /**
     * @throws InvalidArgument the deadline is negative or not a number
     */
    public function busy(string $what, ?float $deadline = null): void
    {
        Settings::checkDeadline($deadline);
        $this->busy = $this->busy || $this->inHand === null; // a task's own ends with it
    }

    public function idle(): void
    {
        $this->busy = $this->busy && $this->inHand !== null;
    }

    public function progress(?string $status = null): void
    {
    }

    /**
     * A command becomes this worker. It finds what the test has registered, and nothing of a command that has ended:
     * that would be another process.
     *
     * @internal
     */
    public function begin(): self
    {
        if ($this->tests !== null && !$this->ended) {
            return $this;
        }
        foreach ($this->tests ?? [] as $name => $value) {
            $this->$name = $value;
        }
        array_map($this->answers->withdraw(...), array_diff($this->answers->served(), array_keys($this->methods)));
        $this->ended = false;
        $this->tests = array_intersect_key(get_object_vars($this), array_flip(self::STATE));
        $this->tests['tasks'] = clone $this->tasks;
        return $this;
    }

    /**
     * The command has ended; the test may still ask what it has left.
     *
     * @internal
     */
    public function end(): void
    {
        $this->ended = true;
    }

    /**
     * The worker's code has come to its loop: it is ready, and the test has its turn.
     */
    private function enter(): self
    {
        $this->start();
        if ($this->starting || $this->inHand !== null || $this->whileItRuns === null) {
            return $this;
        }
        [$test, $this->whileItRuns] = [$this->whileItRuns, null]; // the test may let tasks run that come here too
        $test($this);
        return $this->stop();
    }

    private function refuseIn(string $verb): void
    {
        if ($this->inHand !== null) {
            $unit = $this->inHand === 'task' ? 'task' : 'request';
            throw new NotAllowedHere("RustDaemon\\Worker::$verb() cannot be called while a $this->inHand of this "
                . "worker runs: one $unit at a time");
        }
    }

    /**
     * Whether a loop of the script's own has tasks called now.
     */
    private function takesTasks(): bool
    {
        return $this->ready && $this->inHand === null && !$this->busy;
    }

    /**
     * Lets time pass until then, or until it is told to stop.
     */
    private function pass(int $end): void
    {
        $next = fn (): int => $this->takesTasks() ? $this->tasks->next() ?? self::NEVER : self::NEVER;
        while (!$this->stopping && ($due = $next()) <= $end && $due < self::NEVER) {
            $this->now = max($this->now, $due);
            $this->work();
        }
        if ($end >= self::NEVER) {
            $this->stop(); // nothing would come
        } elseif (!$this->stopping) {
            $this->now = max($this->now, $end);
        }
    }

    /**
     * Calls the tasks that are due by now.
     */
    private function work(): void
    {
        $moment = $this->now;
        while (!$this->stopping && ($task = $this->tasks->take($moment, $this->now)) !== null) {
            $this->inHand('task', $task);
        }
        $this->stops();
    }

    /**
     * Whether to stop; says good-bye the first time.
     */
    private function stops(): bool
    {
        if ($this->stopping && !$this->stopped && !$this->starting && $this->inHand === null) {
            $this->stopped = true;
            $this->tell('stop');
        }
        return $this->stopping;
    }

    /**
     * @param array<mixed> $arguments
     */
    private function serve(Handler $handler, array $arguments): mixed
    {
        $handler->check($arguments);
        return $this->inHand('handler', static fn (): mixed => $handler->call($arguments));
    }

    private function inHand(string $what, callable $run): mixed
    {
        [$before, $this->inHand] = [$this->inHand, $what];
        try {
            return $run();
        } finally {
            $this->inHand = $before;
        }
    }

    /**
     * What the daemon and the worker do with worker.send.
     *
     * @return array<string, mixed>
     * @throws RemoteException
     */
    private function receive(mixed ...$arguments): array
    {
        $message = new FakeMessage($arguments);
        $one = "$this->name#$this->slot";
        if (!in_array($message->to, [$this->name, $one], true)) {
            $why = "there is no worker $message->to; there are: $this->name";
            throw new RemoteException('worker.send', 'unknown_worker', $why);
        }
        if (!isset($this->callbacks['message'])) {
            $why = 'this worker has no onMessage() and takes no messages';
            throw new RemoteException('worker.send', 'unhandled_message', $why);
        }
        try {
            $this->deliver($message);
        } catch (Throwable $thrown) {
            throw FakeFault::of('worker.send', $thrown);
        }
        return ['acknowledged' => 1, 'workers' => [$one]];
    }

    private function deliver(FakeMessage $message): self
    {
        foreach ($this->callbacks['message'] ?? [] as $callback) {
            $this->serve(new Handler($callback), [$message->name, $message->payload]);
        }
        return $this->stopping ? $this->stop() : $this; // says good-bye, now that the callback has ended
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
}
