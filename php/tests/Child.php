<?php

declare(strict_types=1);

namespace RustDaemon\Tests;

use RuntimeException;

/**
 * A process of a test: killed and waited for when nothing refers to it any more.
 */
final class Child
{
    private const PATIENCE_SECONDS = 30.0;

    /** @var resource */
    private $process;

    /**
     * @param list<string> $command
     * @param string $output file for what it writes
     * @param array<string, string> $environment besides our own
     */
    public function __construct(array $command, private readonly string $output, array $environment = [])
    {
        $log = ['file', $output, 'a'];
        $inherited = array_filter(getenv(), static fn (string $name): bool => $name !== 'RUSTDAEMON'
            && $name !== 'RUSTDAEMON_SOCKET', ARRAY_FILTER_USE_KEY);
        $streams = [['file', '/dev/null', 'r'], $log, $log];
        $this->process = proc_open($command, $streams, $pipes, null, $environment + $inherited)
            ?: throw new RuntimeException("cannot start $command[0]");
    }

    public function __destruct()
    {
        $this->signal(SIGKILL);
        proc_close($this->process);
    }

    public function pid(): int
    {
        return proc_get_status($this->process)['pid'];
    }

    public function signal(int $signal): void
    {
        proc_terminate($this->process, $signal);
    }

    /**
     * Kills it and waits for its end.
     */
    public function kill(): void
    {
        $this->signal(SIGKILL);
        $this->end();
    }

    /**
     * Waits for its end. Its exit code; -1 when a signal has ended it, or when this was asked before.
     */
    public function end(): int
    {
        $ended = function () use (&$status): bool {
            $status = proc_get_status($this->process);
            return !$status['running'];
        };
        $this->eventually('the process ends', $ended);
        return $status['exitcode'];
    }

    /**
     * How it has ended: see proc_get_status(); empty while it runs.
     *
     * @return array<string, mixed>
     */
    public function ended(): array
    {
        $status = proc_get_status($this->process);
        return $status['running'] ? [] : $status;
    }

    public function output(): string
    {
        return (string) file_get_contents($this->output);
    }

    /**
     * Waits until something is so.
     *
     * @template T
     * @param callable(): T $condition
     * @return T the first value that is true
     */
    public function eventually(string $what, callable $condition): mixed
    {
        $until = hrtime(true) + self::PATIENCE_SECONDS * 1e9;
        while (!($value = $condition())) {
            if (hrtime(true) > $until) {
                throw new RuntimeException("not within " . self::PATIENCE_SECONDS . " s: $what\n{$this->output()}");
            }
            usleep(2000);
        }
        return $value;
    }
}
