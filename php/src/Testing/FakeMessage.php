<?php

declare(strict_types=1);

namespace RustDaemon\Testing;

use RustDaemon\Client\RemoteException;

/**
 * The arguments of worker.send, as the daemon reads them: in the words of sidecar/src/message.rs.
 *
 * @internal
 */
final class FakeMessage
{
    private const WORDS = ['name', 'message', 'payload'];
    private const MAX_BYTES = 128;

    /** A worker or a pool. */
    public readonly string $to;
    public readonly string $name;
    public readonly mixed $payload;

    /**
     * @param array<mixed> $arguments by position or by name
     * @throws RemoteException they are no message
     */
    public function __construct(array $arguments)
    {
        $allowed = 'there are: ' . implode(', ', self::WORDS);
        if (array_is_list($arguments)) {
            $number = count($arguments);
            $number <= count(self::WORDS) || throw self::refused("$number arguments, but $allowed");
            $arguments = array_combine(array_slice(self::WORDS, 0, $number), $arguments);
        }
        $unknown = array_key_first(array_diff_key($arguments, array_flip(self::WORDS)));
        $unknown === null || throw self::refused("\"$unknown\" is not an argument; $allowed");
        ['name' => $to, 'message' => $name, 'payload' => $payload] = $arguments + array_fill_keys(self::WORDS, null);
        $refusal = self::noReceiver($to) ?? self::noName($name);
        $refusal === null || throw self::refused($refusal);
        [$this->to, $this->name, $this->payload] = [$to, $name, $payload];
    }

    private static function noReceiver(mixed $to): ?string
    {
        return match (true) {
            $to === null => 'name: is missing; give a worker such as "opcua#0", or a pool such as "opcua" for all its '
                . 'workers',
            !is_string($to) => 'name: must be a string, such as "opcua" or "opcua#0"',
            preg_match('/^[^#]*+#(?!(?:0|[1-9][0-9]*)$)/D', $to) === 1
                => "name: \"$to\" is not a worker; a worker is POOL#SLOT, such as opcua#0",
            default => null,
        };
    }

    private static function noName(mixed $name): ?string
    {
        $most = self::MAX_BYTES;
        return match (true) {
            $name === null => 'message: is missing; give its name, such as "tags.changed"',
            !is_string($name) => 'message: must be a string, such as "tags.changed"',
            strlen($name) > $most => 'message: has ' . strlen($name) . " bytes; 1 to $most without control characters "
                . 'are allowed',
            !preg_match('/^\P{Cc}+$/Du', $name)
                => "message: must be 1 to $most bytes without control characters, such as \"tags.changed\"",
            default => null,
        };
    }

    private static function refused(string $sentence): RemoteException
    {
        return new RemoteException('worker.send', 'InvalidArgument', "worker.send: $sentence");
    }
}
