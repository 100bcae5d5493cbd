<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Sidecar;

use RustDaemon\Laravel\Console\Refusal;

/**
 * Where the program `rustdaemon` is: looked for where Worker::install() looks.
 *
 * @internal
 */
final class Binary
{
    private const NAME = 'rustdaemon';

    /**
     * @param string|null $configured sidecar of config/rustdaemon.php
     * @throws Refusal it is nowhere
     */
    public static function find(?string $configured): string
    {
        $named = ['sidecar of config/rustdaemon.php' => $configured, 'rustdaemon.sidecar in php.ini' => self::ini()];
        foreach ($named as $by => $path) {
            if ($path !== null) {
                return self::isProgram($path) ? $path : throw Refusal::usage("the sidecar was not found: $by is "
                    . "\"$path\", which is not an executable file");
            }
        }
        $beside = self::extensionDirectory() . '/' . self::NAME;
        $path = getenv('PATH') ?: '/usr/local/bin:/usr/bin:/bin';
        $places = [$beside, ...array_map(static fn (string $of): string => "$of/" . self::NAME, explode(':', $path))];
        foreach ($places as $place) {
            if (self::isProgram($place)) {
                return $place;
            }
        }
        throw Refusal::usage('the sidecar was not found: neither sidecar of config/rustdaemon.php nor '
            . "rustdaemon.sidecar in php.ini is set, $beside is not an executable file, and PATH ($path) has no "
            . self::NAME);
    }

    private static function isProgram(string $path): bool
    {
        return is_file($path) && is_executable($path);
    }

    private static function ini(): ?string
    {
        return ini_get('rustdaemon.sidecar') ?: null;
    }

    /**
     * Where the extension was loaded from; or would be.
     */
    private static function extensionDirectory(): string
    {
        $maps = extension_loaded('rustdaemon') ? (string) @file_get_contents('/proc/self/maps') : '';
        $isLoaded = preg_match('~ (/\S.*)/rustdaemon\.so$~m', $maps, $found) === 1;
        return $isLoaded ? $found[1] : (string) ini_get('extension_dir');
    }
}
