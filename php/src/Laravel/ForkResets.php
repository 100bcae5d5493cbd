<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Support\Facades\Facade;
use PDO;
use RustDaemon\Process;
use WeakReference;

/**
 * What a child of Process::fork() gives up before its own function runs, so that it never speaks on a connection of
 * its parent's: `on_fork` of config/rustdaemon.php.
 *
 * Only what has been made is given up. Nothing is closed: in such a child the parent's objects stay alive, whoever
 * drops them. The managers stay the same objects, since others hold them and have extended them; they connect anew when
 * they are asked next. What asked for a single connection before the fork, and kept it, has its parent's still.
 *
 * Persistent connections (PDO::ATTR_PERSISTENT, redis persistent) are ordinary ones in the child: the pool that PHP
 * keeps them in is its parent's, with its sockets.
 *
 * @internal
 */
final class ForkResets
{
    public const NAMES = ['database', 'redis', 'cache', 'queue', 'log', 'mail'];

    /** Drivers of the cache that hold no connection; what the array store has is worth keeping. */
    private const UNCONNECTED = ['array', 'file', 'null', 'apc'];

    /** @var WeakReference<Application>|null the application that was booted last: tests make many of them */
    private static ?WeakReference $booted = null;

    private function __construct(private readonly Application $app)
    {
    }

    public static function register(Application $app): void
    {
        // Without the extension, or with an old one, there is no such child. This runs at every boot.
        if (!method_exists(Process::class, 'onFork')) {
            return;
        }
        self::$booted ?? Process::onFork(static function (): void {
            $app = self::$booted->get();
            $app === null || (new self($app))->run();
        });
        self::$booted = WeakReference::create($app);
    }

    private function run(): void
    {
        foreach (Settings::of($this->app)->onFork() as $reset) {
            in_array($reset, self::NAMES, true) ? $this->$reset() : $this->app->make($reset)();
        }
    }

    private function database(): void
    {
        $config = $this->app->make('config');
        foreach (class_exists(PDO::class) ? $config->get('database.connections', []) : [] as $name => $connection) {
            if ($connection['options'][PDO::ATTR_PERSISTENT] ?? false) {
                $options = [PDO::ATTR_PERSISTENT => false] + $connection['options'];
                $config->set("database.connections.$name.options", $options);
            }
        }
        // What is to be done after a commit, or instead of one, is its parent's.
        $this->app->forgetInstance('db.transactions');
        if ($this->app->resolved('db')) {
            $manager = $this->app->make('db');
            foreach ($manager->getConnections() as $name => $connection) {
                $connection->unsetTransactionManager();
                $manager->purge($name);
            }
        }
    }

    private function redis(): void
    {
        if ($this->app->resolved('redis')) {
            $manager = $this->app->make('redis');
            array_map($manager->purge(...), array_keys($manager->connections() ?? []));
            self::change($manager, 'config', static fn (array $config): array => self::notPersistent($config));
        }
        $config = $this->app->make('config');
        $config->set('database.redis', self::notPersistent($config->get('database.redis') ?? []));
    }

    private function cache(): void
    {
        if ($this->app->resolved('cache')) {
            $stores = $this->app->make('config')->get('cache.stores', []);
            $isConnected = static fn (array $store): bool
                => !in_array($store['driver'] ?? null, self::UNCONNECTED, true);
            $this->app->make('cache')->forgetDriver(array_keys(array_filter($stores, $isConnected)));
        }
        $this->forget('cache.store', 'cache.psr6', 'memcached.connector');
    }

    private function queue(): void
    {
        if ($this->app->resolved('queue')) {
            self::change($this->app->make('queue'), 'connections', static fn (): array => []);
        }
        $this->forget('queue.connection', 'queue.failer');
    }

    private function log(): void
    {
        if ($this->app->resolved('log')) {
            $manager = $this->app->make('log');
            array_map($manager->forgetChannel(...), array_keys($manager->getChannels()));
        }
    }

    private function mail(): void
    {
        if ($this->app->resolved('mail.manager')) {
            $this->app->make('mail.manager')->forgetMailers();
        }
        $this->forget('mailer');
    }

    private function forget(string ...$names): void
    {
        foreach ($names as $name) {
            $this->app->forgetInstance($name);
            Facade::clearResolvedInstance($name);
        }
    }

    /**
     * @param array<mixed> $config of the redis manager: by connection, and clusters of servers
     * @return array<mixed>
     */
    private static function notPersistent(array $config): array
    {
        foreach ($config as $key => $value) {
            $config[$key] = match (true) {
                $key === 'persistent' => false,
                is_array($value) => self::notPersistent($value),
                default => $value,
            };
        }
        return $config;
    }

    /**
     * What a manager of Laravel's does not let be changed. A version that calls it otherwise keeps what it has.
     */
    private static function change(object $manager, string $property, callable $change): void
    {
        (function () use ($property, $change): void {
            if (is_array($this->$property ?? null)) {
                $this->$property = $change($this->$property);
            }
        })->call($manager);
    }
}
