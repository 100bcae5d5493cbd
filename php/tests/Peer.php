<?php

declare(strict_types=1);

namespace RustDaemon\Tests;

/**
 * A server that is not rustdaemon, or a bad one: it runs a piece of PHP for each of its connections, which it calls
 * $peer.
 */
final class Peer
{
    private readonly Directory $directory;
    private readonly Child $child;
    public readonly string $socket;

    public function __construct(string $php)
    {
        $this->directory = new Directory();
        $this->socket = "{$this->directory->path}/s";
        $serve = "\$server = stream_socket_server('unix://$this->socket'); echo \"listens\n\";
            while (\$peer = stream_socket_accept(\$server, 60)) { $php }";
        $this->child = new Child([PHP_BINARY, '-n', '-r', $serve], "{$this->directory->path}/out");
        $this->child->eventually('it listens', fn (): bool => str_contains($this->output(), 'listens'));
    }

    /**
     * What it has printed.
     */
    public function output(): string
    {
        return $this->child->output();
    }
}
