<?php

declare(strict_types=1);

namespace RustDaemon\Client;

/**
 * The connection ended before the answer came, and the method was not asked again: it might have been executed twice.
 */
final class ConnectionLost extends \RuntimeException implements ClientException
{
    /**
     * @internal
     */
    public function __construct(string $message, private readonly bool $mayHaveRun)
    {
        parent::__construct($message);
    }

    public function mayHaveRun(): bool
    {
        return $this->mayHaveRun;
    }
}
