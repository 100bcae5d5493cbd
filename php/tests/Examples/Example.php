<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Examples;

use RustDaemon\Client\Client;
use RustDaemon\Client\ClientException;
use RustDaemon\Tests\Child;
use RustDaemon\Tests\Directory;

/**
 * A script of php/examples, run as its own comment says: in a directory of its own, with the real sidecar.
 */
final class Example
{
    private readonly Directory $directory;
    private ?Child $child = null;

    public function __construct(private readonly string $file)
    {
        $this->directory = new Directory();
    }

    /**
     * `php -d extension=rustdaemon.so FILE WORDS`: a script that installs with a socket becomes its own sidecar.
     *
     * @param list<string> $words
     * @param array<string, string> $environment
     * @param list<string> $extensions of PHP's, besides ours
     */
    public function start(array $words, array $environment = [], array $extensions = []): void
    {
        $this->begin($this->php($words, $extensions), $environment);
    }

    /**
     * `rustdaemon run --socket SOCKET FLAGS -- php -d extension=rustdaemon.so FILE WORDS`.
     *
     * @param list<string> $flags
     * @param list<string> $words
     * @param list<string> $extensions of PHP's, besides ours
     */
    public function supervise(array $flags, array $words, array $extensions = []): void
    {
        $run = [self::variable('RUSTDAEMON_BIN'), 'run', '--socket', $this->socket(), ...$flags, '--'];
        $this->begin([...$run, ...$this->php($words, $extensions)], []);
    }

    public function socket(): string
    {
        return $this->path('s');
    }

    public function path(string $name): string
    {
        return "{$this->directory->path}/$name";
    }

    public function client(): Client
    {
        return new Client($this->socket(), timeout: 20.0);
    }

    /**
     * The first worker, as `rustdaemon status --json` shows it.
     */
    public function worker(): array
    {
        return $this->workers()[0];
    }

    public function workers(): array
    {
        return $this->client()->status()['workers'];
    }

    /**
     * What php-opcua's client does: one line, its answer, the end.
     */
    public function flat(string $line): string
    {
        $stream = stream_socket_client("unix://{$this->socket()}");
        fwrite($stream, "$line\n");
        return stream_get_contents($stream);
    }

    /**
     * Asks it to stop, as Supervisor does, and waits for its end.
     */
    public function stop(): void
    {
        $this->terminate();
        $this->child->end();
    }

    /**
     * Asks it to stop.
     */
    public function terminate(): void
    {
        $this->child->signal(SIGTERM);
    }

    public function output(): string
    {
        return $this->child->output();
    }

    /**
     * Waits until something is so.
     */
    public function eventually(string $what, callable $condition): mixed
    {
        return $this->child->eventually($what, $condition);
    }

    private function begin(array $command, array $environment): void
    {
        $this->child = new Child($command, $this->path('out'), $environment);
        $this->child->eventually('its workers are ready', function (): bool {
            try {
                return array_diff(array_column($this->workers(), 'state'), ['idle', 'busy']) === [];
            } catch (ClientException) {
                return false;
            }
        });
    }

    private function php(array $words, array $extensions): array
    {
        $command = [PHP_BINARY, '-n', '-drustdaemon.sidecar=' . self::variable('RUSTDAEMON_BIN')];
        foreach ([...$extensions, self::variable('RUSTDAEMON_SO')] as $extension) {
            $command[] = "-dextension=$extension";
        }
        return [...$command, dirname(__DIR__, 2) . "/examples/$this->file", ...$words];
    }

    private static function variable(string $name): string
    {
        return getenv($name) ?: throw new \RuntimeException("$name is not set: cargo xtask test php");
    }
}
