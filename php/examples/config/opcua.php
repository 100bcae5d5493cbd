<?php

declare(strict_types=1);

return [
    // The OPC UA server of the plant.
    'endpoint' => env('OPCUA_ENDPOINT', 'opc.tcp://127.0.0.1:4840/plant'),

    // The program that speaks OPC UA, as argv; the endpoint is added.
    'bridge' => [env('OPCUA_PYTHON', 'python3'), base_path('plant/bridge.py')],

    // Seconds in which a session must be open, and in which each request must be answered.
    'timeout' => (float) env('OPCUA_TIMEOUT', 10),

    // Seconds for which a node's metadata (names, description, type) is taken from the cache.
    'metadata_ttl' => 3600,
];
