<?php

declare(strict_types=1);

namespace RustDaemon\Client;

/**
 * What came is no answer of a rustdaemon: something else listens there.
 */
final class ProtocolError extends \RuntimeException implements ClientException
{
    public function mayHaveRun(): bool
    {
        return true;
    }
}
