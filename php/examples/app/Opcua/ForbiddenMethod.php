<?php

declare(strict_types=1);

namespace App\Opcua;

/** A method that clients may not call on a session. */
final class ForbiddenMethod extends \RuntimeException
{
}
