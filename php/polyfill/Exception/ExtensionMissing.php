<?php

declare(strict_types=1);

namespace RustDaemon\Exception;

/**
 * This needs an extension that is not loaded, or a newer one. The message says which, and how to get it.
 */
final class ExtensionMissing extends \RuntimeException implements DaemonException
{
    /**
     * @internal
     */
    public static function for(string $what): self
    {
        $there = phpversion('rustdaemon');
        return new self($there === false
            ? "$what needs ext-rustdaemon, which is not loaded: build it with cargo xtask build, then add "
                . 'extension=rustdaemon.so to php.ini'
            : "$what needs a newer ext-rustdaemon than $there, which is loaded");
    }

    /**
     * @internal
     */
    public static function older(string $loaded, string $oldest): self
    {
        return new self("ext-rustdaemon $loaded is loaded, and this rustdaemon/rustdaemon needs $oldest or later: "
            . 'upgrade the extension, or go back to the package that came with it');
    }
}
