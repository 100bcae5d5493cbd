<?php

declare(strict_types=1);

namespace RustDaemon\Exception;

/**
 * Implemented by every exception that rustdaemon throws.
 */
interface DaemonException extends \Throwable
{
}
