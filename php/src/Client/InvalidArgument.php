<?php

declare(strict_types=1);

namespace RustDaemon\Client;

/**
 * An endpoint, a time or an argument is not possible. Nothing was sent.
 */
final class InvalidArgument extends \InvalidArgumentException implements ClientException
{
    public function mayHaveRun(): bool
    {
        return false;
    }
}
