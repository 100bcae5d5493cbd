<?php

declare(strict_types=1);

namespace RustDaemon\Client;

/**
 * What asks a rustdaemon: the real Client, or Testing\FakeClient. Type-hint this.
 *
 * Every method may throw a ClientException: InvalidArgument, ConnectFailed, ConnectionLost, TimedOut, RemoteException
 * or ProtocolError. All times are seconds.
 */
interface ClientInterface
{
    /**
     * Calls a method and waits for its answer.
     *
     * ```php
     * $client->call('plc.read', 'ns=2;s=Speed');
     * $client->call('plc.read', node: 'ns=2;s=Speed', attribute: 13);
     * ```
     *
     * @param string $method a worker's, or a built-in one such as "worker.restart"
     * @param mixed ...$arguments all by position, or all by name; one that is itself named "method" goes by begin()
     * @return mixed the answer's data; objects are arrays
     * @throws ClientException
     */
    public function call(string $method, mixed ...$arguments): mixed;

    /**
     * Sends a request and does not wait for its answer, so that several are under way at once.
     *
     * ```php
     * $calls = array_map(fn (string $node) => $client->begin('plc.read', [$node]), $nodes);
     * $values = array_map(fn (Call $call) => $call->result(), $calls);
     * ```
     *
     * @param array<mixed> $arguments a list, or by name
     * @throws ClientException the request could not be sent
     */
    public function begin(string $method, array $arguments = []): Call;

    /**
     * Whether the daemon answers; also when all workers are busy or gone.
     *
     * @return array{status: string, sessions?: int, time?: float}
     * @throws ClientException
     */
    public function ping(): array;

    /**
     * Pools and workers and where they stand: what `rustdaemon status --json` prints.
     *
     * @return array<string, mixed>
     * @throws ClientException
     */
    public function status(): array;

    /**
     * What can be called: workers' methods in the order of expose(), then the built-in ones.
     *
     * @return list<array{name: string, pool: ?string, description: ?string, idempotent: bool}>
     * @throws ClientException
     */
    public function methods(): array;

    /**
     * Sends workers a message, which their Worker::onMessage() gets, and waits until they have taken it.
     *
     * @param string $worker one worker, "opcua#0", or a pool, "opcua", for all of its workers
     * @param string $name the message's name, such as "tags.changed"
     * @return array<string, mixed> who has taken it
     * @throws ClientException
     */
    public function send(string $worker, string $name, mixed $payload = null): array;

    /**
     * The same client, on the same connection, with another patience.
     *
     * @param float|null $seconds how long a call may take, connecting included; null: as long as it takes
     * @throws InvalidArgument
     */
    public function withTimeout(?float $seconds): static;

    /**
     * The same client, on the same connection, whose requests go to the worker that has bound this session.
     *
     * @param string|null $session what Request::bind() was given, 1 to 256 bytes of UTF-8; null: none
     * @throws InvalidArgument
     */
    public function withSession(?string $session): static;
}
