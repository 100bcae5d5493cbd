<?php

declare(strict_types=1);

namespace RustDaemon;

/**
 * Why a worker ended. Without a sidecar nobody knows, and there is none of these.
 */
final class ExitReason
{
    private function __construct()
    {
    }
}
