<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Contract;

use RuntimeException;

/**
 * Runs a script with what this process has: the extension, or the polyfill in its place.
 */
final class Script
{
    private const PATIENCE_SECONDS = 60;

    /**
     * @param list<string> $options of php
     * @param array<string, string> $environment
     * @return string what it prints, on both streams, and its exit code where that is not 0
     */
    public static function run(string $php, array $options = [], array $environment = []): string
    {
        $extension = extension_loaded('rustdaemon') ? ['-d', 'extension=' . getenv('RUSTDAEMON_SO')] : [];
        $head = 'use RustDaemon\{Channel, Lock, Process, Request, Signal, SignalInfo, Worker}; require '
            . var_export(dirname(__DIR__) . '/bootstrap.php', true) . ";\n";
        $timeout = ['timeout', '--kill-after=1', (string) self::PATIENCE_SECONDS];
        $inherited = array_diff_key(getenv(), array_flip(['RUSTDAEMON', 'RUSTDAEMON_LINK', 'RUSTDAEMON_RUN']));
        $process = proc_open(
            [...$timeout, PHP_BINARY, ...$extension, ...$options, '-r', $head . $php],
            [['file', '/dev/null', 'r'], ['pipe', 'w'], ['redirect', 1]],
            $pipes,
            sys_get_temp_dir(),
            $environment + $inherited,
        ) ?: throw new RuntimeException('cannot start php');
        $output = stream_get_contents($pipes[1]);
        $code = proc_close($process);
        return rtrim($output) . ($code === 0 ? '' : "\nexit $code");
    }
}
