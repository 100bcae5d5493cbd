<?php

declare(strict_types=1);

namespace RustDaemon\Client\Internal;

use JsonException;
use RustDaemon\Client\InvalidArgument;
use SensitiveParameter;

/**
 * A request as it travels: one line of the dialect TYPED.
 *
 * @internal
 */
final class Frame
{
    /**
     * Without its newline.
     */
    private const MAX_BYTES = 16_777_216;
    /**
     * Containers in each other, the request and its arguments included.
     */
    private const MAX_DEPTH = 31;
    private const SESSION_BYTES = 256;
    private const FLAGS = JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE
        | JSON_PRESERVE_ZERO_FRACTION;

    /**
     * @throws InvalidArgument
     */
    public static function checkSession(?string $session): ?string
    {
        $most = self::SESSION_BYTES;
        $why = match (true) {
            $session === null => null,
            $session === '' => 'is empty; give null for none',
            strlen($session) > $most => 'has ' . strlen($session) . " bytes; a session has 1 to $most",
            default => self::isText($session) ? null : 'is not UTF-8, and no session of a daemon is',
        };
        return $why === null ? $session : throw new InvalidArgument("session: $why");
    }

    /**
     * @throws InvalidArgument
     */
    public static function checkToken(#[SensitiveParameter] ?string $token): void
    {
        if ($token !== null && !self::isText($token)) {
            throw new InvalidArgument('token: is not UTF-8, and no token of a daemon is');
        }
    }

    private static function isText(#[SensitiveParameter] string $bytes): bool
    {
        return preg_match('//u', $bytes) === 1;
    }

    /**
     * @param array<mixed> $arguments a list, or by name
     * @throws InvalidArgument
     */
    public static function encode(
        int $id,
        string $method,
        array $arguments,
        ?float $timeout = null,
        ?string $session = null,
        #[SensitiveParameter] ?string $token = null,
    ): string {
        if ($method === '') {
            throw new InvalidArgument('method: is empty; methods() lists what can be called');
        }
        if (!array_is_list($arguments) && array_filter(array_keys($arguments), is_int(...)) !== []) {
            throw new InvalidArgument("$method: give all arguments by position, or all by name");
        }
        $request = ['id' => $id, 't' => 'req', 'method' => $method, 'args' => $arguments];
        $request += array_filter(
            ['timeout' => $timeout, 'session' => $session, 'authToken' => $token],
            static fn (mixed $value): bool => $value !== null,
        );
        try {
            $frame = json_encode($request, self::FLAGS, self::MAX_DEPTH);
        } catch (JsonException $why) {
            $reason = match ($why->getCode()) {
                JSON_ERROR_DEPTH => 'they are nested more than ' . self::MAX_DEPTH - 1 . ' levels deep',
                JSON_ERROR_UTF8 => 'a text is not UTF-8; encode bytes, for example with base64_encode()',
                default => lcfirst($why->getMessage()),
            };
            throw new InvalidArgument("$method: the arguments cannot be sent: $reason", 0, $why);
        }
        $bytes = strlen($frame);
        if ($bytes > self::MAX_BYTES) {
            throw new InvalidArgument("$method: the request has $bytes bytes; " . self::MAX_BYTES . ' are allowed');
        }
        return "$frame\n";
    }
}
