<?php

declare(strict_types=1);

namespace RustDaemon\Tests;

use RustDaemon\Client\Client;
use RustDaemon\Client\ClientException;

/**
 * A PHP script with the extension and the real sidecar, as its user starts it, in a directory of its own.
 */
final class Service
{
    private readonly Directory $directory;
    private ?Child $child = null;
    private ?string $token = null;

    public function __construct(private readonly string $file)
    {
        $this->directory = new Directory();
    }

    /**
     * A script of php/examples.
     */
    public static function example(string $name): self
    {
        return new self(dirname(__DIR__) . "/examples/$name");
    }

    /**
     * `php -d extension=rustdaemon.so FILE WORDS`: a script that installs with a socket becomes its own sidecar.
     *
     * @param list<string> $words
     * @param array<string, string> $environment
     * @param list<string> $extensions of PHP's, besides ours
     * @param string|null $token what its clients must show
     */
    public function start(
        array $words,
        array $environment = [],
        array $extensions = [],
        ?string $token = null,
    ): void {
        $this->token = $token;
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

    /**
     * Starts the script alone: there is no sidecar, and nothing to wait for.
     *
     * @param list<string> $words
     */
    public function launch(array $words): void
    {
        $this->child = new Child($this->php($words, []), $this->path('out'));
    }

    /**
     * Runs the script to its end, beside what has been started: its exit code, and what it has written.
     *
     * @param list<string> $words
     * @param array<string, string> $environment
     * @param list<string> $extensions of PHP's, besides ours
     * @return array{int, string}
     */
    public function once(array $words, array $environment = [], array $extensions = []): array
    {
        $output = $this->path('once-' . bin2hex(random_bytes(4)));
        $child = new Child($this->php($words, $extensions), $output, $environment);
        return [$child->end(), $child->output()];
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
        return new Client($this->socket(), $this->token, 20.0);
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
     * Waits until somebody reads this FIFO, and so has come as far as that. It goes on when this end is closed.
     *
     * @return resource
     */
    public function reader(string $fifo)
    {
        return $this->eventually("$fifo is read", static fn () => @fopen($fifo, 'wn'));
    }

    /**
     * Writes this into the FIFO, as soon as somebody reads it.
     */
    public function feed(string $fifo, string $text): void
    {
        $stream = $this->reader($fifo);
        fwrite($stream, $text);
        fclose($stream);
    }

    /**
     * Asks it to stop, as Supervisor does, and waits for its end: its exit code.
     */
    public function stop(): int
    {
        $this->child->signal(SIGTERM);
        return $this->end();
    }

    public function kill(): void
    {
        $this->child->kill();
    }

    public function pid(): int
    {
        return $this->child->pid();
    }

    /**
     * Waits for its end: its exit code.
     */
    public function end(): int
    {
        return $this->child->end();
    }

    /**
     * Asks it to stop, while its workers have something in hand, and waits until they have been told.
     */
    public function terminate(): void
    {
        $this->child->signal(SIGTERM);
        $told = fn (): bool => array_diff(array_column($this->workers(), 'state'), ['draining', 'stopped']) === [];
        $this->child->eventually('its workers are told', $told);
    }

    public function output(): string
    {
        return $this->child->output();
    }

    /**
     * Waits until it has written this: a line comes through the sidecar, and a little later than what it tells of.
     */
    public function says(string $text): void
    {
        $this->eventually("it says $text", fn (): bool => str_contains($this->output(), $text));
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
        return [...$command, $this->file, ...$words];
    }

    private static function variable(string $name): string
    {
        return getenv($name) ?: throw new \RuntimeException("$name is not set: cargo xtask test php");
    }
}
