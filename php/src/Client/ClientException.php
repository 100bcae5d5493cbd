<?php

declare(strict_types=1);

namespace RustDaemon\Client;

/**
 * Implemented by every exception that a client throws.
 */
interface ClientException extends \Throwable
{
    /**
     * Whether the method may have been executed, wholly or in part: then ask again only what does no harm twice.
     *
     * @return bool false: it was not, and will not be
     */
    public function mayHaveRun(): bool;
}
