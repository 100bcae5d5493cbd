<?php

declare(strict_types=1);

// Loads classes as Composer would, by the same table; the tests need no vendor directory.

(static function (): void {
    $root = dirname(__DIR__);
    $composer = json_decode(file_get_contents("$root/composer.json"), true, flags: JSON_THROW_ON_ERROR);
    $table = $composer['autoload']['psr-4'] + $composer['autoload-dev']['psr-4'];
    spl_autoload_register(static function (string $class) use ($root, $table): void {
        foreach ($table as $prefix => $directory) {
            $file = "$root/$directory" . strtr(substr($class, strlen($prefix)), '\\', '/') . '.php';
            if (str_starts_with($class, $prefix) && is_file($file)) {
                require $file;
            }
        }
    });
    foreach ($composer['autoload']['files'] ?? [] as $file) {
        require "$root/$file";
    }
})();
