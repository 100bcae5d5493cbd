<?php

declare(strict_types=1);

namespace RustDaemon\Client;

/**
 * No answer came in time, by the clock of the client or of the daemon.
 */
final class TimedOut extends \RuntimeException implements ClientException
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
