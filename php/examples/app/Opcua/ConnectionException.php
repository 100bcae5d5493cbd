<?php

declare(strict_types=1);

namespace App\Opcua;

/** There is no session with the plant at the moment. The next request tries to open one. */
final class ConnectionException extends \RuntimeException
{
}
