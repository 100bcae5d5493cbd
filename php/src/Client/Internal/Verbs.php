<?php

declare(strict_types=1);

namespace RustDaemon\Client\Internal;

/**
 * The methods of a client that are one call of begin().
 *
 * @internal
 */
trait Verbs
{
    public function call(string $method, mixed ...$arguments): mixed
    {
        return $this->begin($method, $arguments)->result();
    }

    public function ping(): array
    {
        return $this->map('ping');
    }

    public function status(): array
    {
        return $this->map('daemon.status');
    }

    public function methods(): array
    {
        return $this->map('daemon.methods')['methods'] ?? [];
    }

    public function send(string $worker, string $name, mixed $payload = null): array
    {
        return $this->map('worker.send', ['name' => $worker, 'message' => $name, 'payload' => $payload]);
    }

    /**
     * @param array<mixed> $arguments
     * @return array<mixed>
     */
    private function map(string $method, array $arguments = []): array
    {
        $data = $this->begin($method, $arguments)->result();
        return is_array($data) ? $data : ['data' => $data];
    }
}
