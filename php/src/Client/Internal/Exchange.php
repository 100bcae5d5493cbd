<?php

declare(strict_types=1);

namespace RustDaemon\Client\Internal;

use Closure;
use RustDaemon\Client\Call;
use RustDaemon\Client\ClientException;
use RustDaemon\Client\ConnectFailed;
use RustDaemon\Client\ConnectionLost;
use RustDaemon\Client\InvalidArgument;
use RustDaemon\Client\ProtocolError;
use RustDaemon\Client\RemoteException;
use RustDaemon\Client\TimedOut;
use SensitiveParameterValue;
use WeakReference;

/**
 * Requests and their answers over one connection at a time: who has asked what, and what becomes of it when the
 * connection ends.
 *
 * # When a connection ends
 * Each request without an answer is asked once more on a new connection if that can do no harm: its end had not been
 * written, so that it was no request, or running it twice does no harm. That is so for the built-in methods that only
 * look, and for whatever daemon.methods calls idempotent. The daemon is asked for that first, on the new connection:
 * what it said earlier may have been of another release. All others are ConnectionLost. Nothing is ever asked a third
 * time. A connection that is found to have ended before a request is written costs nothing but the new one.
 *
 * # Forks
 * A connection belongs to the process that made it. A child lets go of its copy without a byte written or read, makes
 * its own when it asks something, and cannot have the answers of its parent's calls.
 *
 * # Signals
 * A handler may call the client that it has interrupted: that request has a connection of its own. What a handler
 * throws leaves the call, and ends the connection, on which half a frame may be.
 *
 * @internal
 */
final class Exchange
{
    /**
     * Built-in methods that only look.
     */
    private const LOOKS = [
        'ping' => true, 'daemon.status' => true, 'daemon.methods' => true, 'daemon.logs' => true,
        'daemon.subscribe' => true, 'worker.list' => true, 'worker.status' => true, 'farm.list' => true,
        'system.listMethods' => true,
    ];

    /**
     * So much less time the daemon is given than we have: it knows whether the method was begun, and says so before our
     * own time is up.
     */
    private const GRACE_PART = 0.1;
    private const GRACE_SECONDS = 1.0;

    private ?Connection $connection = null;
    private int $pid = 0;
    private int $lastId = 0;
    /** Somebody is inside of turn(). */
    private bool $busy = false;
    /** @var array<int, WeakReference<Pending>> by id; not empty: there is a connection */
    private array $open = [];

    /**
     * @param null|SensitiveParameterValue $token a string, which no dump shows
     */
    public function __construct(
        private readonly Endpoint $endpoint,
        private readonly ?SensitiveParameterValue $token,
    ) {
    }

    /**
     * Sends a request.
     *
     * @param array<mixed> $arguments
     * @throws ClientException it could not be sent
     */
    public function begin(string $method, array $arguments, ?float $timeout, ?string $session): Call
    {
        $this->disown();
        if ($this->busy) {
            return (new self($this->endpoint, $this->token))->begin($method, $arguments, $timeout, $session);
        }
        $id = ++$this->lastId;
        $told = $timeout === null ? null : $timeout - min(self::GRACE_PART * $timeout, self::GRACE_SECONDS);
        $frame = $this->frame($id, $method, $arguments, $told, $session);
        $pending = new Pending($id, $method, $frame, Deadline::in($timeout), $this->pid);
        $this->connection === null || $this->turn(0.0, $pending->deadline); // it may have ended meanwhile
        $this->connection ??= $this->connect($pending->deadline);
        $this->put($pending);
        $this->turn(0.0, $pending->deadline);
        while ($pending->isOpen() && !$this->connection?->hasSent($pending->mark)) {
            $this->wait($pending);
        }
        return new Call($pending, $this);
    }

    /**
     * Waits until a request has its outcome.
     */
    public function await(Pending $pending): void
    {
        while ($this->isMine($pending)) {
            $this->wait($pending);
        }
    }

    /**
     * Looks whether a request has its outcome.
     */
    public function look(Pending $pending): void
    {
        if ($this->isMine($pending)) {
            $this->turn(0.0, $pending->deadline);
            $pending->deadline->hasPassed() && $this->giveUp($pending);
        }
    }

    private function isMine(Pending $pending): bool
    {
        $this->disown();
        if ($pending->pid !== $this->pid) {
            $pending->fail(fn () => new ConnectionLost("$pending->method was called by process $pending->pid before "
                . 'this process was forked: its answer goes there', true));
        }
        if ($this->busy && $pending->isOpen()) {
            throw new InvalidArgument("$pending->method: its answer cannot be waited for here, in a signal handler or "
                . 'a coroutine that has interrupted the same client; begin another call');
        }
        return $pending->isOpen();
    }

    private function disown(): void
    {
        if ($this->pid !== getmypid()) {
            $this->pid = getmypid();
            $this->connection = null;
            $this->open = [];
            $this->busy = false;
        }
    }

    /**
     * One turn, for as long as this request may take.
     */
    private function wait(Pending $pending): void
    {
        if (!isset($this->open[$pending->id])) {
            $this->lose($pending, true); // an exception has left recover() in the middle
            return;
        }
        $this->turn($pending->deadline->left(), $pending->deadline);
        $pending->deadline->hasPassed() && $this->giveUp($pending);
    }

    private function giveUp(Pending $pending): void
    {
        $sent = $this->connection?->hasSent($pending->mark) ?? true;
        $mayHaveRun = $sent || $pending->again;
        $at = $this->endpoint->shown;
        $pending->fail(fn () => new TimedOut($mayHaveRun
            ? "$pending->method: no answer from $at in time; it may have been executed"
            : "$pending->method: $at did not take the request in time; it was not executed", $mayHaveRun));
        unset($this->open[$pending->id]);
        if (!$sent) {
            $this->recover($pending->deadline); // half a frame stands in the way of all others
        }
    }

    private function put(Pending $pending): void
    {
        $this->open[$pending->id] = WeakReference::create($pending);
        $pending->mark = $this->connection->put($pending->frame->getValue());
    }

    private function connect(Deadline $deadline): Connection
    {
        return new Connection($this->endpoint->connect($deadline), $this->endpoint->shown);
    }

    /**
     * Writes and reads; when the connection ends, what is said above. Needs a connection.
     */
    private function turn(?float $patience, Deadline $deadline): void
    {
        $this->busy = true;
        $whole = false;
        try {
            foreach ($this->connection->turn($patience) as $line) {
                $this->take($line);
            }
            $whole = true;
        } catch (ProtocolError $why) {
            $this->failAll(static fn () => new ProtocolError($why->getMessage()));
        } finally {
            $this->busy = false;
            if (!$whole) {
                [$this->connection, $this->open] = [null, []];
            }
        }
        if ($this->connection?->isOpen() === false) {
            $this->recover($deadline);
        }
    }

    /**
     * @throws ProtocolError it is no answer
     */
    private function take(string $line): void
    {
        $answer = Answer::parse($line) ?? throw new ProtocolError("what listens at {$this->endpoint->shown} is not "
            . 'rustdaemon: it answered '
            . json_encode(substr($line, 0, 100), JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE));
        if ($answer->id === null) {
            $answer->ok || $this->failAll(fn (Pending $pending) => $this->remote($pending, $answer));
            return;
        }
        $pending = ($this->open[$answer->id] ?? null)?->get();
        unset($this->open[$answer->id]);
        match (true) {
            $pending === null => null, // nobody waits for it any more
            $answer->ok => $pending->succeed($answer->data),
            default => $pending->fail(fn () => $this->remote($pending, $answer)),
        };
    }

    private function remote(Pending $pending, Answer $answer): ClientException
    {
        return match ($answer->class) {
            'deadline_exceeded' => new TimedOut(
                "$pending->method: $answer->message",
                !str_ends_with($answer->message, 'the request was not started'),
            ),
            'auth_failed' => new RemoteException($pending->method, 'auth_failed', $answer->message
                . ($this->token === null ? ': the client was given none' : ': the client was given another one')),
            default => new RemoteException($pending->method, $answer->class, $answer->message),
        };
    }

    /**
     * Ends the connection, and everybody's hopes with it.
     *
     * @param Closure(Pending): ClientException $failure
     */
    private function failAll(Closure $failure): void
    {
        foreach ($this->letGo() as $pending) {
            $pending->fail(static fn () => $failure($pending));
        }
        $this->connection = null;
    }

    /**
     * @return list<Pending> those that somebody still waits for
     */
    private function letGo(): array
    {
        $all = array_map(static fn (WeakReference $pending): ?Pending => $pending->get(), $this->open);
        $this->open = [];
        return array_values(array_filter($all));
    }

    /**
     * The connection has ended, or is of no use any more: see above.
     */
    private function recover(Deadline $deadline): void
    {
        $old = $this->connection;
        $this->connection = null;
        $again = $unsure = [];
        foreach ($this->letGo() as $pending) {
            $sent = $old->hasSent($pending->mark);
            match (true) {
                $pending->again => $this->lose($pending, true),
                !$sent || isset(self::LOOKS[$pending->method]) => $again[] = $pending,
                default => $unsure[] = $pending,
            };
        }
        if ($again === [] && $unsure === []) {
            return;
        }
        try {
            $this->connection = $this->connect($deadline);
        } catch (ConnectFailed $why) {
            foreach ([...$again, ...$unsure] as $pending) {
                $this->lose($pending, $old->hasSent($pending->mark), $why->getMessage());
            }
            return;
        }
        $question = $unsure === [] ? null : $this->question($deadline);
        foreach ($question === null ? $again : [$question, ...$again] as $pending) {
            $pending->again = true;
            $this->put($pending);
        }
        while ($question?->isOpen() && !$deadline->hasPassed()) {
            $this->turn($deadline->left(), $deadline);
        }
        $idempotent = $question === null ? [] : $this->idempotent($question);
        foreach ($unsure as $pending) {
            if ($this->connection !== null && ($idempotent[$pending->method] ?? false)) {
                $pending->again = true;
                $this->put($pending);
            } else {
                $this->lose($pending, true);
            }
        }
        $this->connection === null || $this->turn(0.0, $deadline);
    }

    private function question(Deadline $deadline): Pending
    {
        $id = ++$this->lastId;
        $frame = $this->frame($id, 'daemon.methods', [], $deadline->left(), null);
        return new Pending($id, 'daemon.methods', $frame, $deadline, $this->pid);
    }

    /**
     * @return array<string, bool> whether running a method twice does no harm, as far as there was an answer; a name
     * that two pools offer is harmless if it is so in both
     */
    private function idempotent(Pending $question): array
    {
        try {
            $methods = $question->isOpen() ? [] : $question->outcome()['methods'] ?? [];
        } catch (ClientException) {
            return [];
        }
        $idempotent = [];
        foreach (is_array($methods) ? $methods : [] as $method) {
            $name = (string) ($method['name'] ?? '');
            $idempotent[$name] = ($method['idempotent'] ?? false) === true && ($idempotent[$name] ?? true);
        }
        return $idempotent;
    }

    private function lose(Pending $pending, bool $mayHaveRun, string $why = ''): void
    {
        $at = $this->endpoint->shown;
        $run = $mayHaveRun ? 'it may have been executed' : 'it was not executed';
        $why = $why === '' ? '' : "; $why";
        $pending->fail(fn () => new ConnectionLost("$pending->method: the connection to $at ended before the answer "
            . "came, and it was not asked again; $run$why", $mayHaveRun));
    }

    /**
     * @param array<mixed> $arguments
     */
    private function frame(
        int $id,
        string $method,
        array $arguments,
        ?float $timeout,
        ?string $session,
    ): SensitiveParameterValue {
        $frame = Frame::encode($id, $method, $arguments, $timeout, $session, $this->token?->getValue());
        return new SensitiveParameterValue($frame);
    }
}
