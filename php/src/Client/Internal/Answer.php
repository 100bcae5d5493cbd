<?php

declare(strict_types=1);

namespace RustDaemon\Client\Internal;

/**
 * One line of a daemon: the answer to a request, or to a connection (id null).
 *
 * @internal
 */
final class Answer
{
    /**
     * Deeper than what a worker's json_encode() writes.
     */
    private const MAX_DEPTH = 1024;

    private function __construct(
        public readonly ?int $id,
        public readonly bool $ok,
        public readonly mixed $data,
        public readonly string $class = '',
        public readonly string $message = '',
    ) {
    }

    /**
     * @return self|null null: nothing that a rustdaemon says
     */
    public static function parse(string $line): ?self
    {
        $said = json_decode($line, true, self::MAX_DEPTH);
        $error = is_array($said) ? $said['error'] ?? [] : [];
        $message = $error['message'] ?? null;
        $class = $error['class'] ?? $error['type'] ?? null;
        $isError = is_string($class) && is_string($message);
        [$kind, $id, $ok] = is_array($said) ? [$said['t'] ?? null, $said['id'] ?? null, $said['ok'] ?? null] : null;
        return match (true) {
            // What follows the answer of daemon.subscribe: nobody waits for it.
            $kind === 'evt' => new self(null, true, null),
            $kind === 'res' && is_int($id) && $ok === true => new self($id, true, $said['data'] ?? null),
            $kind === 'res' && ($id === null || is_int($id)) && $ok === false && $isError
                => new self($id, false, null, $class, $message),
            // What a sidecar says before it has read which dialect we speak; who speaks FLAT alone knows no command.
            ($said['success'] ?? null) === false && $isError && $class !== 'unknown_command'
                => new self(null, false, null, $class, $message),
            default => null,
        };
    }
}
