<?php

declare(strict_types=1);

namespace RustDaemon\Exception;

/**
 * The system has refused something. getCode() is the errno.
 */
class SystemCallFailed extends \RuntimeException implements DaemonException
{
}
