<?php

declare(strict_types=1);

namespace RustDaemon\Exception;

/**
 * An argument, or the variable RUSTDAEMON in the environment, has a value that is not possible.
 */
class InvalidArgument extends \InvalidArgumentException implements DaemonException
{
}
