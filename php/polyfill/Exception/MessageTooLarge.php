<?php

declare(strict_types=1);

namespace RustDaemon\Exception;

/**
 * As in the extension; thrown by nothing here.
 */
class MessageTooLarge extends \RuntimeException implements DaemonException
{
}
