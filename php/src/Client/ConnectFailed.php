<?php

declare(strict_types=1);

namespace RustDaemon\Client;

/**
 * Nobody listens there, or one may not connect. Nothing was sent. getCode() is the errno, where there is one.
 */
final class ConnectFailed extends \RuntimeException implements ClientException
{
    public function mayHaveRun(): bool
    {
        return false;
    }
}
