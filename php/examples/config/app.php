<?php

declare(strict_types=1);

use Illuminate\Cache\CacheServiceProvider;
use Illuminate\Filesystem\FilesystemServiceProvider;
use RustDaemon\Laravel\RustDaemonServiceProvider;

return [
    'name' => 'rustdaemon example',
    'env' => env('APP_ENV', 'production'),
    'debug' => (bool) env('APP_DEBUG', false),
    'timezone' => 'UTC',
    // The last one is found by itself where Composer has installed it.
    'providers' => [FilesystemServiceProvider::class, CacheServiceProvider::class, RustDaemonServiceProvider::class],
    'aliases' => [],
];
