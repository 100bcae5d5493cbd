<?php

declare(strict_types=1);

namespace RustDaemon\Internal;

use RustDaemon\Exception\ExtensionMissing;

/**
 * A class that only the extension has.
 *
 * @internal
 */
trait Missing
{
    private function __construct()
    {
    }

    /**
     * @param array<mixed> $arguments
     * @throws ExtensionMissing always
     */
    public static function __callStatic(string $name, array $arguments): never
    {
        throw ExtensionMissing::for(self::class . "::$name()");
    }
}
