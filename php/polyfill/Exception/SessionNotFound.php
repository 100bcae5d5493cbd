<?php

declare(strict_types=1);

namespace RustDaemon\Exception;

/**
 * There is no such session: for handlers to throw.
 */
class SessionNotFound extends \RuntimeException implements DaemonException
{
}
