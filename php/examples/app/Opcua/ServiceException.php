<?php

declare(strict_types=1);

namespace App\Opcua;

/** The plant answered, and the answer is an OPC UA status such as BadNodeIdUnknown. */
final class ServiceException extends \RuntimeException
{
}
