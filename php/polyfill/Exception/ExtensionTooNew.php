<?php

declare(strict_types=1);

namespace RustDaemon\Exception;

/**
 * The loaded extension may have changed what this package calls. Nothing was begun.
 */
final class ExtensionTooNew extends \RuntimeException implements DaemonException
{
    /**
     * @internal
     */
    public static function than(string $loaded, string $next): self
    {
        return new self("ext-rustdaemon $loaded is loaded, and this rustdaemon/rustdaemon knows versions below $next "
            . 'only: upgrade the package with composer update rustdaemon/rustdaemon');
    }
}
