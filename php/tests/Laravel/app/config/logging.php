<?php

declare(strict_types=1);

return [
    'default' => 'laravel',
    'channels' => [
        'laravel' => ['driver' => 'single', 'path' => storage_path('logs/laravel.log')],
        'plant' => ['driver' => 'single', 'path' => storage_path('logs/plant.log')],
    ],
];
