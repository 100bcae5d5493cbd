<?php

declare(strict_types=1);

namespace RustDaemon\Tests;

use RustDaemon\Client\Client;
use RustDaemon\Client\ClientException;

/**
 * A real sidecar on a socket of its own, with a worker in PHP: tests/fixtures/worker.php.
 */
final class Daemon
{
    private readonly Directory $directory;
    private Child $child;

    /**
     * @param list<string> $flags of `rustdaemon run`
     * @param array<string, string> $environment
     */
    public function __construct(private readonly array $flags = [], private readonly array $environment = [])
    {
        $this->directory = new Directory();
        $this->start();
    }

    /**
     * Once more, on the same socket.
     */
    public function start(): void
    {
        $extension = 'extension=' . self::variable('RUSTDAEMON_SO');
        $worker = [PHP_BINARY, '-n', '-d', $extension, __DIR__ . '/fixtures/worker.php', $this->path('log')];
        $run = [self::variable('RUSTDAEMON_BIN'), 'run', '--socket', $this->socket(), ...$this->flags, '--'];
        $this->child = new Child([...$run, ...$worker], $this->path('out'), $this->environment);
        $client = $this->client();
        $this->child->eventually('a worker is idle', static function () use ($client): bool {
            try {
                return in_array('idle', array_column($client->status()['workers'], 'state'), true);
            } catch (ClientException) {
                return false;
            }
        });
    }

    public function socket(): string
    {
        return $this->path('s');
    }

    public function path(string $name): string
    {
        return "{$this->directory->path}/$name";
    }

    public function client(?float $timeout = 20.0): Client
    {
        return new Client($this->socket(), $this->environment['APP_TOKEN'] ?? null, $timeout);
    }

    public function kill(): void
    {
        $this->child->kill();
    }

    /**
     * What the worker's method "note" was called with, in order.
     *
     * @return list<string>
     */
    public function notes(): array
    {
        return is_file($this->path('log')) ? file($this->path('log'), FILE_IGNORE_NEW_LINES) : [];
    }

    /**
     * Waits until something is so.
     */
    public function eventually(string $what, callable $condition): mixed
    {
        return $this->child->eventually($what, $condition);
    }

    private static function variable(string $name): string
    {
        return getenv($name) ?: throw new \RuntimeException("$name is not set: cargo xtask test php");
    }
}
