<?php

declare(strict_types=1);

use Illuminate\Cache\CacheServiceProvider;
use Illuminate\Filesystem\FilesystemServiceProvider;

return [
    'name' => 'rustdaemon example',
    'env' => env('APP_ENV', 'production'),
    'debug' => (bool) env('APP_DEBUG', false),
    'timezone' => 'UTC',
    'providers' => [FilesystemServiceProvider::class, CacheServiceProvider::class],
    'aliases' => [],
];
