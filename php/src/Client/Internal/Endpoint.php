<?php

declare(strict_types=1);

namespace RustDaemon\Client\Internal;

use RustDaemon\Client\ConnectFailed;
use RustDaemon\Client\InvalidArgument;

/**
 * Where a daemon listens, and in which words one says that it does not.
 *
 * @internal
 */
final class Endpoint
{
    /**
     * What fits into sockaddr_un: unix(7).
     */
    private const MAX_PATH_BYTES = 107;

    private const ENOENT = 2;
    private const EAGAIN = 11;
    private const EACCES = 13;
    private const EPROTOTYPE = 91;
    private const ECONNREFUSED = 111;

    /**
     * A backlog that is full tells nobody when it has room again: unix(7), connect() is EAGAIN then.
     */
    private const BACKLOG_PAUSE_MICROSECONDS = 2000;

    /**
     * @param string $shown for people
     * @param string|null $path of a Unix socket; null: TCP
     */
    private function __construct(public readonly string $shown, private readonly ?string $path)
    {
    }

    /**
     * @param string $endpoint "unix:///run/app/app.sock", "/run/app/app.sock" or "tcp://127.0.0.1:9990"
     * @throws InvalidArgument
     */
    public static function parse(string $endpoint): self
    {
        if (preg_match('~^tcp://(\[[0-9A-Fa-f:.]+]|[^][:/?#\s]+):([0-9]{1,5})$~D', $endpoint, $found)) {
            if ($found[2] >= 1 && $found[2] <= 65535) {
                return new self($endpoint, null);
            }
            throw self::impossible($endpoint, 'a port is a number from 1 to 65535');
        }
        $path = preg_replace('~^unix://~', '', $endpoint);
        if ($path === '' || str_contains($path, "\0") || preg_match('~^[A-Za-z][A-Za-z0-9+.-]*:~', $path)) {
            throw self::impossible($endpoint, 'give unix:///path, tcp://address:port, or the path of a Unix socket');
        }
        if ($path[0] !== '/') {
            $path = getcwd() . '/' . $path; // as it is meant now: a script that runs for long may go elsewhere
        }
        if (strlen($path) > self::MAX_PATH_BYTES) {
            $bytes = strlen($path);
            throw self::impossible($path, "it has $bytes bytes; a socket's path may have " . self::MAX_PATH_BYTES);
        }
        return new self($path, $path);
    }

    /**
     * @return resource a stream that does not block
     * @throws ConnectFailed
     */
    public function connect(Deadline $deadline)
    {
        $context = stream_context_create($this->path === null ? ['socket' => ['tcp_nodelay' => true]] : []);
        $uri = $this->path === null ? $this->shown : "unix://$this->path";
        do {
            $left = $deadline->left() ?? 1e6;
            $stream = @stream_socket_client($uri, $errno, $error, $left, STREAM_CLIENT_CONNECT, $context);
            if ($stream !== false) {
                stream_set_blocking($stream, false);
                stream_set_read_buffer($stream, 0);
                return $stream;
            }
            $again = $errno === self::EAGAIN && !$deadline->hasPassed();
            $again && usleep(self::BACKLOG_PAUSE_MICROSECONDS);
        } while ($again);
        throw new ConnectFailed($this->why($errno, $error), $errno);
    }

    private function why(int $errno, string $error): string
    {
        if ($this->path === null) {
            return match ($errno) {
                self::ECONNREFUSED => "nobody listens at $this->shown; is the daemon running, with tcp = that address?",
                default => "cannot connect to $this->shown: " . ($error === '' ? 'it is not an address' : $error),
            };
        }
        clearstatcache(true, $this->path);
        $kind = @filetype($this->path);
        return match (true) {
            $errno === self::ENOENT => "nobody listens at $this->path: there is no such socket; is the daemon running?",
            $errno === self::EACCES => $this->whyDenied(),
            $errno === self::ECONNREFUSED && $kind !== false && $kind !== 'socket'
                => "$this->path is not a socket but a $kind",
            $errno === self::ECONNREFUSED
                => "nobody listens at $this->path: the socket is there, but the daemon behind it has gone",
            $errno === self::EPROTOTYPE => "$this->path is a socket of another kind: something else listens there",
            $errno === self::EAGAIN => "$this->path is too busy to connect to: the daemon did not accept in time",
            default => "cannot connect to $this->path: $error",
        };
    }

    private function whyDenied(): string
    {
        $stat = @stat($this->path);
        $me = function_exists('posix_geteuid') ? 'uid ' . posix_geteuid() : 'this user';
        if ($stat === false) {
            return "$me may not connect to $this->path: a directory on the way to it is closed";
        }
        $mode = decoct($stat['mode'] & 0o777);
        return "$me may not connect to $this->path, which has mode 0$mode, uid {$stat['uid']}, gid {$stat['gid']}; "
            . 'see socket_mode and socket_group';
    }

    private static function impossible(string $endpoint, string $rule): InvalidArgument
    {
        return new InvalidArgument('endpoint: ' . json_encode($endpoint, JSON_UNESCAPED_SLASHES
            | JSON_INVALID_UTF8_SUBSTITUTE) . " is not possible: $rule");
    }
}
