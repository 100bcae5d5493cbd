<?php

declare(strict_types=1);

namespace RustDaemon\Exception;

/**
 * The method cannot be called from here, such as from a task of the worker itself.
 */
class NotAllowedHere extends \LogicException implements DaemonException
{
}
