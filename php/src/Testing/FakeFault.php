<?php

declare(strict_types=1);

namespace RustDaemon\Testing;

use RustDaemon\Client\RemoteException;
use Throwable;

/**
 * What a handler throws, as its client hears of it: the short name of its class, and a message without the paths and
 * URLs of the machine, as ext/core/src/fault.rs makes them.
 *
 * @internal
 */
final class FakeFault
{
    /** Exceptions of ours that have a word of the daemon's for their class. */
    private const WORDS = [
        'RustDaemon\Exception\MaxSessionsReached' => 'max_sessions_reached',
        'RustDaemon\Exception\SessionNotFound' => 'session_not_found',
        'RustDaemon\Exception\SessionTaken' => 'session_taken',
    ];
    private const MAX_MESSAGE_BYTES = 500;

    /** Where a word may begin. */
    private const HERE = '(?<![\p{L}\p{N}_.\\\\/\]-])';
    private const ADDRESSES = [
        '~(*UCP)' . self::HERE . '[A-Za-z][A-Za-z0-9+.-]*://[^\s"\'`<>|()[\]{}]*[^\s"\'`<>|()[\]{}.,;:]~u' => '[url]',
        '~(*UCP)' . self::HERE . '[A-Za-z]:\\\\[^\s"\'`<>|,;:()[\]{}]*(?<!\.)~u' => '[path]',
        '~(*UCP)' . self::HERE . '/[^/\s"\'`<>|,;:()[\]{}]+/[^\s"\'`<>|,;:()[\]{}]*(?<!\.)~u' => '[path]',
    ];

    public static function of(string $method, Throwable $why): RemoteException
    {
        $name = explode("\0", $why::class)[0]; // of an anonymous class: without its file
        $parts = explode('\\', $name);
        return new RemoteException($method, self::WORDS[$name] ?? end($parts), self::message($why->getMessage()));
    }

    private static function message(string $thrown): string
    {
        $text = json_decode(json_encode($thrown, JSON_INVALID_UTF8_SUBSTITUTE));
        $text = preg_replace(array_keys(self::ADDRESSES), array_values(self::ADDRESSES), $text);
        $bytes = self::MAX_MESSAGE_BYTES;
        if (strlen($text) <= $bytes) {
            return $text;
        }
        while ((ord($text[$bytes]) & 0xC0) === 0x80) { // inside of a character
            $bytes--;
        }
        return substr($text, 0, $bytes) . '...';
    }
}
