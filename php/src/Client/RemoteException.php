<?php

declare(strict_types=1);

namespace RustDaemon\Client;

/**
 * The daemon or the method has answered with an error: getMessage() is the other side's.
 *
 * ```php
 * try {
 *     $value = $client->call('plc.read', $node);
 * } catch (RemoteException $e) {
 *     $log->warning("$e->method: $e->class: {$e->getMessage()}");    // plc.read: BadNode: there is no node "x"
 * }
 * ```
 */
final class RemoteException extends \RuntimeException implements ClientException
{
    /**
     * The daemon's own words of which it says that nothing was executed. "payload_too_large" is none of them: it is
     * said of a request, and of the result of a method that has run.
     */
    private const NOT_RUN = [
        'auth_failed', 'busy', 'connection_timeout', 'forbidden', 'invalid_json', 'invalid_request', 'session_lost',
        'shutting_down', 'too_many_connections', 'unhandled_message', 'unknown_method', 'unknown_worker',
    ];

    /**
     * @param string $method what was called
     * @param string $class the short class name of what the handler threw, "ServiceException", or one word of the
     * daemon: "unknown_method", "worker_died", "busy", "shutting_down", "session_lost" ...
     */
    public function __construct(
        public readonly string $method,
        public readonly string $class,
        string $message,
    ) {
        parent::__construct($message);
    }

    public function mayHaveRun(): bool
    {
        return !in_array($this->class, self::NOT_RUN, true);
    }
}
