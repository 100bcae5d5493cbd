<?php

declare(strict_types=1);

// The classes of ext-rustdaemon where it is not loaded: what the unsupervised rung can do in PHP. Where it is loaded,
// only what is beside them is found here, and what throws ExtensionMissing for classes that it is too old to have:
// never a Worker, Signal or Lock that would not know of the extension's own. This runs in every process, in a web
// server too: it looks at no version and says nothing (see Internal\Extension).

(static function (): void {
    $loaded = extension_loaded('rustdaemon');
    $beside = [
        'Channel', 'Counter', 'Process',
        'Exception\ExtensionMissing', 'Exception\ExtensionTooNew',
        'Internal\ExitCode', 'Internal\Extension', 'Internal\Handler', 'Internal\Missing', 'Internal\Numbers',
        'Internal\Settings', 'Internal\Tasks',
    ];
    spl_autoload_register(static function (string $class) use ($loaded, $beside): void {
        if (!str_starts_with($class, 'RustDaemon\\')) {
            return;
        }
        $name = substr($class, strlen('RustDaemon\\'));
        $file = __DIR__ . '/' . strtr($name, '\\', '/') . '.php';
        if ((!$loaded || in_array($name, $beside, true)) && is_file($file)) {
            require_once $file; // this file is none of them, though a class may be called so
        }
    });
})();
