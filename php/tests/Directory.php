<?php

declare(strict_types=1);

namespace RustDaemon\Tests;

/**
 * A directory of a test's own, removed with what is in it.
 */
final class Directory
{
    public readonly string $path;

    public function __construct()
    {
        $this->path = '/tmp/rdp-' . bin2hex(random_bytes(6));
        mkdir($this->path, 0700);
    }

    public function __destruct()
    {
        self::remove($this->path);
    }

    private static function remove(string $path): void
    {
        if (is_link($path) || !is_dir($path)) {
            unlink($path);
            return;
        }
        foreach (array_diff(scandir($path), ['.', '..']) as $name) {
            self::remove("$path/$name");
        }
        rmdir($path);
    }
}
