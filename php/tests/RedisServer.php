<?php

declare(strict_types=1);

namespace RustDaemon\Tests;

/**
 * A redis-server of a test's own, on a Unix socket; nothing of it is kept.
 */
final class RedisServer
{
    public readonly string $socket;
    private readonly Directory $directory;
    private Child $child;

    public function __construct()
    {
        $this->directory = new Directory();
        $this->socket = "{$this->directory->path}/s";
        $this->start();
    }

    public function __destruct()
    {
        $this->child->kill(); // before its directory goes
    }

    /**
     * Once more, on the same socket.
     */
    public function start(): void
    {
        $quiet = ['--save', '', '--appendonly', 'no', '--dir', $this->directory->path];
        // Debian's redis-tools has the server under another name; the package of this name brings a service.
        $server = ['bash', '-c', 'exec -a redis-server redis-check-rdb "$@"', 'redis'];
        $command = [...$server, '--port', '0', '--unixsocket', $this->socket, ...$quiet];
        $this->child = new Child($command, "{$this->directory->path}/out");
        $this->child->eventually('redis listens', fn (): bool => file_exists($this->socket)
            && @stream_socket_client("unix://$this->socket") !== false);
    }

    /**
     * It ends at once, and nobody listens any more.
     */
    public function kill(): void
    {
        $this->child->kill();
        unlink($this->socket);
    }
}
