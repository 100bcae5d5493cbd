<?php

declare(strict_types=1);

return [
    'default' => 'file',
    'prefix' => 'test',
    'stores' => [
        'array' => ['driver' => 'array', 'serialize' => false],
        'file' => ['driver' => 'file', 'path' => storage_path('framework/cache/data')],
    ],
];
