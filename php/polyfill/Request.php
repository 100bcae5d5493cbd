<?php

declare(strict_types=1);

namespace RustDaemon;

/**
 * The request that a handler is serving. Without a sidecar there is none.
 */
final class Request
{
    private function __construct()
    {
    }

    /**
     * @return null always
     */
    public static function current(): ?Request
    {
        return null;
    }
}
