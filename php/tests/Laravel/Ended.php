<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use RuntimeException;

/**
 * How a command has ended.
 */
final class Ended
{
    private const PATIENCE_SECONDS = 60;

    private function __construct(
        public readonly int $code,
        public readonly string $output,
        public readonly string $error,
    ) {
    }

    /**
     * @param list<string> $command
     * @param array<string, string> $environment besides our own
     */
    public static function of(array $command, string $directory, array $environment): self
    {
        $timeout = ['timeout', '--kill-after=1', (string) self::PATIENCE_SECONDS];
        $ours = array_filter(getenv(), static fn (string $name): bool => !str_starts_with($name, 'RUSTDAEMON')
            || in_array($name, ['RUSTDAEMON_BIN', 'RUSTDAEMON_SO'], true), ARRAY_FILTER_USE_KEY);
        $error = tmpfile();
        $streams = [['file', '/dev/null', 'r'], ['pipe', 'w'], $error];
        $process = proc_open([...$timeout, ...$command], $streams, $pipes, $directory, $environment + $ours)
            ?: throw new RuntimeException("cannot start $command[0]");
        $output = stream_get_contents($pipes[1]);
        $code = proc_close($process);
        rewind($error);
        return new self($code, $output, stream_get_contents($error));
    }
}
