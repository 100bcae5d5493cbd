<?php

declare(strict_types=1);

namespace RustDaemon\Client;

use RustDaemon\Client\Internal\Deadline;
use RustDaemon\Client\Internal\Endpoint;
use RustDaemon\Client\Internal\Exchange;
use RustDaemon\Client\Internal\Frame;
use RustDaemon\Client\Internal\Verbs;
use SensitiveParameter;
use SensitiveParameterValue;

/**
 * Asks a rustdaemon over its socket. Needs no extension.
 *
 * ```php
 * $client = new Client('/run/app/app.sock', timeout: 5.0);
 * $sum = $client->call('sum', 1, 2, 3);
 * ```
 *
 * It connects at the first request and keeps the connection, for as many requests at once as begin() is asked for. A
 * fork and its parent have connections of their own, so that one object may be a singleton in Octane, a queue worker
 * or a prefork server. When the connection has ended, because the daemon was started anew, the next request makes a
 * new one; a request that was under way is asked once more when that does no harm: see Worker::expose(idempotent:
 * true).
 */
final class Client implements ClientInterface
{
    use Verbs;

    private readonly Exchange $exchange;
    private ?float $timeout;
    private ?string $session = null;

    /**
     * Does not connect yet.
     *
     * @param string $endpoint "unix:///run/app/app.sock", "/run/app/app.sock" or "tcp://127.0.0.1:9990"
     * @param string|null $token what the daemon wants to be shown, if it does
     * @param float|null $timeout how long a call may take, in seconds, connecting included; null: as long as it takes
     * @throws InvalidArgument
     */
    public function __construct(string $endpoint, #[SensitiveParameter] ?string $token = null, ?float $timeout = 30.0)
    {
        $this->timeout = Deadline::check($timeout);
        Frame::checkToken($token);
        $hidden = $token === null ? null : new SensitiveParameterValue($token);
        $this->exchange = new Exchange(Endpoint::parse($endpoint), $hidden);
    }

    public function begin(string $method, array $arguments = []): Call
    {
        return $this->exchange->begin($method, $arguments, $this->timeout, $this->session);
    }

    public function withTimeout(?float $seconds): static
    {
        $client = clone $this;
        $client->timeout = Deadline::check($seconds);
        return $client;
    }

    public function withSession(?string $session): static
    {
        $client = clone $this;
        $client->session = Frame::checkSession($session);
        return $client;
    }

    /**
     * @return never a connection cannot be stored, and a token should not be
     */
    public function __serialize(): array
    {
        throw new InvalidArgument('a client cannot be serialized: keep its endpoint, or ask the container for it');
    }
}
