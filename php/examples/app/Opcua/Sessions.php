<?php

declare(strict_types=1);

namespace App\Opcua;

use Closure;
use RustDaemon\Exception\MaxSessionsReached;
use RustDaemon\Exception\SessionNotFound;
use RustDaemon\Request;

/**
 * The sessions of this worker's clients, by the id that each got from open(): no two clients share one.
 *
 * Each id is bound to this worker, so the sidecar leads every request with that `sessionId` here, and tells when nobody has
 * used it for the timeout. What has expired is closed at the plant with the next sweep.
 */
final class Sessions
{
    /** What a client may call: no name of a request leads to anything else. */
    private const METHODS = ['read', 'readMany', 'describe', 'status'];

    /** @var array<string, array{session: Session, endpointUrl: string, lastUsed: float}> */
    private array $open = [];

    /** @var Session[] those that nobody can reach any more */
    private array $expired = [];

    /**
     * @param Closure(string): Session $connect  makes a session with an endpoint; it opens with its first request
     * @param float                    $timeout  seconds without a request after which a session expires
     * @param int                      $maximum  how many may be open; 0: any number
     */
    public function __construct(private Closure $connect, private float $timeout, private int $maximum)
    {
    }

    /**
     * Opens a session for this client alone.
     *
     * @throws MaxSessionsReached  as many are open as may be
     * @throws ConnectionException the plant does not answer
     */
    public function open(string $endpointUrl, array $config = []): array
    {
        if ($config !== []) {
            throw new \InvalidArgumentException('config: sessions of this example are anonymous and take none');
        }
        if ($this->maximum > 0 && count($this->open) >= $this->maximum) {
            throw new MaxSessionsReached("Maximum number of sessions ({$this->maximum}) reached");
        }
        $id = bin2hex(random_bytes(16));
        $session = ($this->connect)($endpointUrl);
        $session->connect();
        try {
            Request::current()?->bind($id, $this->timeout);
        } catch (\Throwable $refused) {
            $session->close();
            throw $refused;
        }
        $this->open[$id] = ['session' => $session, 'endpointUrl' => $endpointUrl, 'lastUsed' => microtime(true)];

        return ['sessionId' => $id];
    }

    /**
     * Calls a method of a session.
     *
     * @throws SessionNotFound     it was closed, or has expired, or never was
     * @throws ForbiddenMethod     the method is none of a session's
     */
    public function query(string $sessionId, string $method, array $params = []): mixed
    {
        if (! in_array($method, self::METHODS, true)) {
            throw new ForbiddenMethod("Method not allowed: $method");
        }
        $session = $this->find($sessionId);
        $this->open[$sessionId]['lastUsed'] = microtime(true);

        return $session->$method(...$params);
    }

    /** @throws SessionNotFound it was closed, or has expired, or never was */
    public function close(string $sessionId): null
    {
        $session = $this->find($sessionId);
        unset($this->open[$sessionId]);
        Request::current()?->unbind($sessionId);
        $session->close();

        return null;
    }

    /** The sessions of this worker. */
    public function list(): array
    {
        $sessions = [];
        foreach ($this->open as $id => $entry) {
            $sessions[] = ['id' => $id, 'endpointUrl' => $entry['endpointUrl'], 'lastUsed' => $entry['lastUsed'], 'config' => (object) []];
        }

        return ['count' => count($sessions), 'sessions' => $sessions];
    }

    /** The sidecar has told that nobody has used it. */
    public function expire(string $sessionId): void
    {
        if (isset($this->open[$sessionId])) {
            $this->expired[] = $this->open[$sessionId]['session'];
            unset($this->open[$sessionId]);
        }
    }

    /** Closes at the plant what has expired. How many these were. */
    public function sweep(): int
    {
        [$expired, $this->expired] = [$this->expired, []];
        foreach ($expired as $session) {
            $session->close();
        }

        return count($expired);
    }

    public function closeAll(): void
    {
        $this->sweep();
        foreach ($this->open as $entry) {
            $entry['session']->close();
        }
        $this->open = [];
    }

    private function find(string $sessionId): Session
    {
        return $this->open[$sessionId]['session'] ?? throw new SessionNotFound("Session not found: $sessionId");
    }
}
