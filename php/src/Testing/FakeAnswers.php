<?php

declare(strict_types=1);

namespace RustDaemon\Testing;

use Closure;
use RustDaemon\Client\ClientException;
use RustDaemon\Client\RemoteException;
use RustDaemon\Internal\Handler;
use RustDaemon\Internal\Settings;
use Throwable;

/**
 * What a daemon without workers would answer, and what it was asked.
 *
 * @internal
 */
final class FakeAnswers
{
    /** What a worker sends at most. */
    private const MAX_RESULT_BYTES = 16_777_216;
    /** Deeper than what json_encode() writes. */
    private const MAX_DEPTH = 1024;

    /** @var array<string, mixed> the built-in methods' */
    private array $builtIn;
    /** @var array<string, mixed> */
    private array $answers = [];
    /** @var array<string, Closure(array<mixed>): mixed> what a worker offers */
    private array $served = [];
    /** @var array<string, array{name: string, pool: ?string, description: ?string, idempotent: bool}> */
    private array $methods = [];
    /** @var array<string, list<array<mixed>>> */
    private array $calls = [];

    public function __construct()
    {
        $this->builtIn = [
            'ping' => ['status' => 'ok', 'sessions' => 0, 'time' => microtime(true)],
            'daemon.status' => ['version' => 'fake', 'pid' => getmypid(), 'state' => 'running', 'uptime' => 0.0,
                'socket' => '(no socket)', 'pools' => [], 'workers' => []],
            'daemon.methods' => fn (): array => ['methods' => $this->methods()],
            'worker.send' => static fn (mixed ...$arguments): array
                => ['acknowledged' => 1, 'workers' => [(new FakeMessage($arguments))->to]],
        ];
    }

    public function set(string $method, mixed $answer): void
    {
        $this->answers[$method] = $answer;
        $this->methods[$method] ??= self::about($method, 'fake');
    }

    /**
     * @param Closure(array<mixed>): mixed $serve
     */
    public function expose(string $method, Closure $serve, string $pool, ?string $description, bool $idempotent): void
    {
        $this->served[$method] = $serve;
        $this->methods[$method] = self::about($method, $pool, $description, $idempotent);
    }

    /**
     * @return list<string>
     */
    public function served(): array
    {
        return array_keys($this->served);
    }

    public function withdraw(string $method): void
    {
        unset($this->served[$method], $this->methods[$method]);
    }

    /**
     * @return list<array<mixed>>
     */
    public function calls(string $method): array
    {
        return $this->calls[$method] ?? [];
    }

    /**
     * @param array<mixed> $arguments
     * @throws ClientException
     */
    public function to(string $method, array $arguments): mixed
    {
        $this->calls[$method][] = $arguments;
        $answers = $this->served + $this->answers + $this->builtIn;
        $name = array_key_exists($method, $answers) && $method !== '*' ? $method : '*';
        if (!array_key_exists($name, $answers) || ($name === '*' && Settings::isReserved($method))) {
            throw new RemoteException($method, 'unknown_method', "Unknown method: $method");
        }
        $arguments = $name === '*' ? [$method, $arguments] : $arguments;
        $serve = $this->served[$name] ?? null;
        try {
            $value = $serve === null ? self::value($answers[$name], $arguments) : $serve($arguments);
            $json = json_encode($value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
        } catch (Throwable $why) {
            throw $serve === null && $why instanceof ClientException ? $why : FakeFault::of($method, $why);
        }
        return self::travelled($method, $json);
    }

    /**
     * @param array<mixed> $arguments
     */
    private static function value(mixed $answer, array $arguments): mixed
    {
        if (is_object($answer) && is_callable($answer)) {
            $handler = new Handler($answer);
            $handler->check($arguments);
            $answer = $handler->call($arguments);
        }
        return $answer instanceof Throwable ? throw $answer : $answer;
    }

    /**
     * A result, as it arrives.
     *
     * @param string|false $json of json_encode()
     * @throws RemoteException it does not
     */
    private static function travelled(string $method, string|false $json): mixed
    {
        if ($json === false) {
            throw new RemoteException($method, 'encoding_failed', json_last_error_msg());
        }
        $bytes = strlen($json);
        if ($bytes > self::MAX_RESULT_BYTES) {
            throw new RemoteException($method, 'payload_too_large', "the result has $bytes bytes as JSON; at most "
                . self::MAX_RESULT_BYTES . ' are sent');
        }
        return json_decode($json, true, self::MAX_DEPTH, JSON_THROW_ON_ERROR);
    }

    /**
     * @return list<array{name: string, pool: ?string, description: ?string, idempotent: bool}>
     */
    private function methods(): array
    {
        $builtIn = array_map(
            static fn (string $name): array => self::about($name, null, idempotent: $name !== 'worker.send'),
            array_keys($this->builtIn),
        );
        return [...array_values(array_diff_key($this->methods, $this->builtIn)), ...$builtIn];
    }

    /**
     * @return array{name: string, pool: ?string, description: ?string, idempotent: bool}
     */
    private static function about(
        string $method,
        ?string $pool,
        ?string $description = null,
        bool $idempotent = false,
    ): array {
        return ['name' => $method, 'pool' => $pool, 'description' => $description, 'idempotent' => $idempotent];
    }
}
