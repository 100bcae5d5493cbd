<?php

declare(strict_types=1);

namespace RustDaemon\Internal;

use Error;
use Exception;

/**
 * An object that cannot be copied, stored or given other properties, as those of the extension cannot.
 *
 * @internal
 */
trait Unique
{
    private function __clone()
    {
    }

    /**
     * @internal
     */
    public function __set(string $name, mixed $value): void
    {
        throw new Error('Cannot create dynamic property ' . self::class . "::\$$name");
    }

    /**
     * @internal
     * @return never
     */
    public function __serialize(): array
    {
        throw new Exception("Serialization of '" . self::class . "' is not allowed");
    }

    /**
     * @internal
     */
    public function __unserialize(array $data): void
    {
        throw new Exception("Unserialization of '" . self::class . "' is not allowed");
    }
}
