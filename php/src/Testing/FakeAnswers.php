<?php

declare(strict_types=1);

namespace RustDaemon\Testing;

use ArgumentCountError;
use Error;
use JsonException;
use ReflectionClass;
use RustDaemon\Client\ClientException;
use RustDaemon\Client\RemoteException;
use RustDaemon\Internal\Settings;
use Throwable;
use TypeError;

/**
 * What a daemon without workers would answer, and what it was asked.
 *
 * @internal
 */
final class FakeAnswers
{
    /** @var array<string, mixed> */
    private array $answers;
    /** @var array<string, list<array<mixed>>> */
    private array $calls = [];

    public function __construct()
    {
        $this->answers = [
            'ping' => ['status' => 'ok', 'sessions' => 0, 'time' => microtime(true)],
            'daemon.status' => ['version' => 'fake', 'pid' => getmypid(), 'state' => 'running', 'uptime' => 0.0,
                'socket' => '(no socket)', 'pools' => [], 'workers' => []],
            'daemon.methods' => fn (): array => ['methods' => array_map(
                static fn (string $name): array
                    => ['name' => $name, 'pool' => 'fake', 'description' => null, 'idempotent' => false],
                array_keys($this->answers),
            )],
            'worker.send' => static fn (string $name, string $message, mixed $payload = null): array
                => ['acknowledged' => 1, 'workers' => [$name]],
        ];
    }

    public function set(string $method, mixed $answer): void
    {
        $this->answers[$method] = $answer;
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
        if (array_key_exists($method, $this->answers) && $method !== '*') {
            $answer = $this->answers[$method];
        } elseif (array_key_exists('*', $this->answers) && !Settings::isReserved($method)) {
            [$answer, $arguments] = [$this->answers['*'], [$method, $arguments]];
        } else {
            throw new RemoteException($method, 'unknown_method', "Unknown method: $method");
        }
        try {
            $value = is_object($answer) && is_callable($answer) ? $answer(...$arguments) : $answer;
            $value instanceof Throwable && throw $value;
        } catch (ClientException $why) {
            throw $why;
        } catch (Throwable $why) {
            $class = self::isAboutArguments($why) ? 'InvalidArgument' : (new ReflectionClass($why))->getShortName();
            throw new RemoteException($method, $class, $why->getMessage());
        }
        try {
            return json_decode(json_encode($value, JSON_THROW_ON_ERROR), true, flags: JSON_THROW_ON_ERROR);
        } catch (JsonException $why) {
            throw new RemoteException($method, 'encoding_failed', $why->getMessage());
        }
    }

    /**
     * Whether it tells of the call itself, and not of what happened in it.
     */
    private static function isAboutArguments(Throwable $why): bool
    {
        $here = count((new Error())->getTrace()) - 1; // the depth of to()
        $unknown = str_starts_with($why->getMessage(), 'Unknown named parameter');
        $refused = $why instanceof ArgumentCountError
            || ($why instanceof TypeError && str_contains($why->getMessage(), 'Argument #'));
        $depth = count($why->getTrace());
        return ($unknown && $depth === $here) || ($refused && $depth === $here + 1);
    }
}
