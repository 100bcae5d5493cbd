<?php

declare(strict_types=1);

return [

    /*
    |--------------------------------------------------------------------------
    | Socket
    |--------------------------------------------------------------------------
    |
    | The Unix socket of this application's sidecar, at most 107 bytes long. The
    | client asks there, and workers that you start are served there. A client
    | alone may also ask at "tcp://127.0.0.1:9990". (RUSTDAEMON_SOCKET is another
    | name: each worker finds its own sidecar's socket there.)
    |
    */

    'socket' => env('RUSTDAEMON_SOCKET_PATH', storage_path('framework/rustdaemon.sock')),

    /*
    |--------------------------------------------------------------------------
    | Socket Mode
    |--------------------------------------------------------------------------
    |
    | The permission bits of the socket, in octal. With "0660" the group of who
    | runs the sidecar may ask as well: choose it when the web server is another
    | user than the workers are.
    |
    */

    'socket_mode' => env('RUSTDAEMON_SOCKET_MODE', '0600'),

    /*
    |--------------------------------------------------------------------------
    | Token
    |--------------------------------------------------------------------------
    |
    | What every client must show before it is answered: 1 to 4096 bytes of text.
    | The sidecar asks for it, and the client shows it. Null: whoever may open
    | the socket may ask.
    |
    */

    'token' => env('RUSTDAEMON_TOKEN'),

    /*
    |--------------------------------------------------------------------------
    | Client Timeout
    |--------------------------------------------------------------------------
    |
    | How many seconds a call of the client may take, connecting included. Null,
    | or RUSTDAEMON_TIMEOUT= with nothing after it: as long as it takes. For one
    | call there is RustDaemon::withTimeout(60.0).
    |
    */

    'timeout' => env('RUSTDAEMON_TIMEOUT', 30.0),

    /*
    |--------------------------------------------------------------------------
    | Sidecar
    |--------------------------------------------------------------------------
    |
    | The program that "artisan rustdaemon:run" becomes. Null: it is looked for
    | where Worker::install() looks, which is rustdaemon.sidecar in php.ini, then
    | beside rustdaemon.so, then in PATH.
    |
    */

    'sidecar' => env('RUSTDAEMON_SIDECAR'),

    /*
    |--------------------------------------------------------------------------
    | Log Channel
    |--------------------------------------------------------------------------
    |
    | The channel of config/logging.php that is the default one in workers: for
    | Log::info() in your handlers, and for what happens to the worker itself.
    | Null: the application's own. The option --log-channel is stronger.
    |
    */

    'log_channel' => env('RUSTDAEMON_LOG_CHANNEL'),

    /*
    |--------------------------------------------------------------------------
    | Cache Store
    |--------------------------------------------------------------------------
    |
    | The store of config/cache.php that is the default one in workers. Null: the
    | application's own. The option --cache-store is stronger.
    |
    */

    'cache_store' => env('RUSTDAEMON_CACHE_STORE'),

    /*
    |--------------------------------------------------------------------------
    | Pools
    |--------------------------------------------------------------------------
    |
    | What "artisan rustdaemon:run" keeps alive, by name. A pool is an artisan
    | command, or any command as a list, and further keys: "rustdaemon run
    | --defaults" prints them all. Times are "8s", sizes "256MiB".
    |
    | A command that is no worker, because it does not call Worker::install(),
    | needs 'link' => false.
    |
    */

    'pools' => [

        // 'opcua' => [
        //     'artisan' => 'opcua:session --timeout=600',
        //     'workers' => env('OPCUA_WORKERS', 1),
        //     'memory_soft' => '256MiB',
        //     'max_lifetime' => '24h',
        //     'hang_action' => 'restart',
        // ],

    ],

    /*
    |--------------------------------------------------------------------------
    | Options
    |--------------------------------------------------------------------------
    |
    | What else "artisan rustdaemon:run" tells the sidecar, such as the group of
    | the socket, a second socket for operators, or who may do what; the keys
    | are those at the top of "rustdaemon run --defaults".
    |
    */

    'options' => [

        // 'socket_group' => 'www-data',
        // 'control' => storage_path('framework/rustdaemon-control.sock'),
        // 'access' => ['control' => ['gid:ops']],
        // 'log_format' => 'json',

    ],

    /*
    |--------------------------------------------------------------------------
    | Resets After a Fork
    |--------------------------------------------------------------------------
    |
    | What a child of RustDaemon\Process::fork() gives up before its own function
    | runs, in this order, so that it never speaks on a connection of its parent's.
    | Take out what your children shall keep; add classes of your own that have
    | __invoke(): the container makes them, in the child.
    |
    */

    'on_fork' => ['database', 'redis', 'cache', 'queue', 'log', 'mail'],

    /*
    |--------------------------------------------------------------------------
    | Maintenance Mode
    |--------------------------------------------------------------------------
    |
    | Whether "artisan down" pauses the pools, and "artisan up" lets them go on:
    | clients' requests wait meanwhile, up to their time limits. "except" names
    | pools that serve on. Those of queue:work need nothing: Laravel itself takes
    | no job while the application is down.
    |
    */

    'maintenance' => [
        'pause' => env('RUSTDAEMON_PAUSE_WHEN_DOWN', false),
        'except' => [],
    ],

];
