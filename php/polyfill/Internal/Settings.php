<?php

declare(strict_types=1);

namespace RustDaemon\Internal;

use RustDaemon\Exception\InvalidArgument;
use SensitiveParameter;

/**
 * What Worker::install() and expose() are given, checked as the extension checks it, so that a script that works here
 * is not refused there.
 *
 * @internal
 */
final class Settings
{
    private const MAX_PATH_BYTES = 107;
    private const MAX_TOKEN_BYTES = 4096;
    private const MAX_WORKERS = 1024;
    private const MAX_CONCURRENCY = 10000;

    /**
     * @throws InvalidArgument
     */
    public static function check(
        ?string $name,
        ?string $socket,
        int|string $mode,
        #[SensitiveParameter] ?string $token,
        int $workers,
    ): void {
        $name === null || self::checkName($name);
        $socket === null || self::checkSocket($socket);
        self::checkMode($mode);
        if ($token !== null && ($token === '' || strlen($token) > self::MAX_TOKEN_BYTES)) {
            $bytes = $token === '' ? 'is empty' : 'has ' . strlen($token) . ' bytes';
            throw new InvalidArgument("token: $bytes; a token has 1 to " . self::MAX_TOKEN_BYTES . ' bytes');
        }
        if ($workers < 1 || $workers > self::MAX_WORKERS) {
            $most = self::MAX_WORKERS;
            throw new InvalidArgument("workers: $workers is not possible: a pool has 1 to $most workers");
        }
        self::isOff();
    }

    /**
     * @throws InvalidArgument
     */
    public static function checkName(string $name): void
    {
        if (!preg_match('/^[A-Za-z0-9._-]{1,64}$/D', $name)) {
            throw new InvalidArgument(
                "name: \"$name\" is not a pool's name: 1 to 64 of the characters A-Z a-z 0-9 . _ -"
            );
        }
    }

    /**
     * @throws InvalidArgument
     */
    public static function checkDeadline(?float $deadline): void
    {
        if ($deadline !== null && !($deadline >= 0.0)) {
            throw new InvalidArgument('deadline: must be a number of seconds from 0.0, or null for hang_timeout');
        }
    }

    /**
     * @param bool $again of a task that is called again and again
     * @throws InvalidArgument
     */
    public static function checkSeconds(float $seconds, bool $again): void
    {
        if (!is_finite($seconds) || $seconds < 0.0 || ($again && $seconds == 0.0)) {
            throw new InvalidArgument('seconds: must be a finite number ' . ($again ? 'greater than 0.0' : 'from 0.0'));
        }
    }

    /**
     * Whether RUSTDAEMON=off.
     *
     * @throws InvalidArgument it has another value
     */
    public static function isOff(): bool
    {
        $value = getenv('RUSTDAEMON') ?: '';
        if (!in_array($value, ['', 'off'], true)) {
            throw new InvalidArgument("RUSTDAEMON=\"$value\" in the environment is not known: only \"off\" is");
        }
        return $value === 'off';
    }

    /**
     * Whether a method's name is kept for the sidecar's own.
     */
    public static function isReserved(string $method): bool
    {
        return $method === 'ping' || preg_match('/^(daemon|worker|farm|system)\./', $method) === 1;
    }

    /**
     * @throws InvalidArgument
     */
    public static function checkMethod(string $method): void
    {
        if ($method !== '*' && !preg_match('~^[A-Za-z0-9_.:/-]{1,128}$~D', $method)) {
            throw new InvalidArgument(
                "method: \"$method\" is not a method's name: 1 to 128 of the characters A-Z a-z 0-9 _ . : / -, or * "
                . 'for the rest'
            );
        }
        if (self::isReserved($method)) {
            throw new InvalidArgument("method: \"$method\" is reserved: ping and all names that begin with "
                . 'daemon. worker. farm. system. belong to the daemon');
        }
    }

    /**
     * @throws InvalidArgument
     */
    public static function checkConcurrency(int $requests): void
    {
        if ($requests < 1 || $requests > self::MAX_CONCURRENCY) {
            throw new InvalidArgument('requests: must be from 1 to ' . self::MAX_CONCURRENCY . ", and is $requests");
        }
    }

    private static function checkSocket(string $socket): void
    {
        $path = str_starts_with($socket, '/') ? $socket : getcwd() . "/$socket";
        $bytes = strlen($path);
        $why = match (true) {
            $socket === '' => 'is an empty string; give a path, or null for none',
            str_contains($socket, "\0") => "\"$socket\" contains a NUL byte",
            preg_match('~^[A-Za-z][A-Za-z0-9+.-]*://~', $socket) === 1
                => "\"$socket\" is a URL; give the path of a Unix socket",
            str_ends_with($socket, '/') => "\"$socket\" is a directory; give the path of a Unix socket",
            $bytes > self::MAX_PATH_BYTES
                => "\"$path\" has $bytes bytes; the path of a Unix socket has at most " . self::MAX_PATH_BYTES,
            default => null,
        };
        $why === null || throw new InvalidArgument("socket: $why");
    }

    private static function checkMode(int|string $mode): void
    {
        if (is_string($mode)) {
            if (!preg_match('/^(0[oO])?0*[0-7]{1,3}$/D', $mode)) {
                throw new InvalidArgument("mode: \"$mode\" is not an octal number from 0 to 0777, such as \"0660\"");
            }
            return;
        }
        if ($mode < 0 || $mode > 0777) {
            throw new InvalidArgument(preg_match('/^[0-7]{3}$/', (string) $mode)
                ? "mode: $mode is decimal; octal is written with a zero: 0$mode"
                : "mode: $mode is not possible: permission bits are 0 to 0777");
        }
    }
}
