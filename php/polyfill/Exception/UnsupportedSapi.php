<?php

declare(strict_types=1);

namespace RustDaemon\Exception;

/**
 * It works under php-cli only.
 */
class UnsupportedSapi extends \RuntimeException implements DaemonException
{
}
