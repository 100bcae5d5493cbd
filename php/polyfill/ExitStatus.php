<?php

declare(strict_types=1);

namespace RustDaemon;

/**
 * How a child process ended. Without the extension there are no children, and none of these.
 */
final class ExitStatus
{
    private function __construct()
    {
    }
}
