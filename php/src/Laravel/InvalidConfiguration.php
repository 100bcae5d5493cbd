<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

use InvalidArgumentException;

/**
 * A key of config/rustdaemon.php, or an option of a command, has a value that it cannot have.
 */
final class InvalidConfiguration extends InvalidArgumentException
{
}
