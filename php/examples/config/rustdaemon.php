<?php

declare(strict_types=1);

// With the variables of laravel-opcua. What is not here is as the package has it: php/config/rustdaemon.php.
return [
    // The Unix socket on which the sidecar offers the methods of opcua:session.
    'socket' => env('OPCUA_SOCKET_PATH', storage_path('app/opcua.sock')),

    // What every client must show as authToken; null: nothing.
    'token' => env('OPCUA_AUTH_TOKEN'),

    // Where the worker logs and caches, when no option says so; null: as the application does.
    'log_channel' => env('OPCUA_LOG_CHANNEL'),
    'cache_store' => env('OPCUA_CACHE_STORE'),
];
