<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

use Illuminate\Support\ServiceProvider;
use RustDaemon\Client\ClientInterface;
use RustDaemon\Laravel\Console\Commands;

/**
 * What the package brings to a Laravel application. Found by itself: see composer.json, extra.laravel.
 *
 * A line of register() and of boot() is a step; what it does stands in the class that it names.
 */
final class RustDaemonServiceProvider extends ServiceProvider
{
    private const CONFIG = __DIR__ . '/../../config/rustdaemon.php';

    public function register(): void
    {
        $isTable = is_array($this->app->make('config')->get('rustdaemon', [])); // else Settings says so, when asked
        $isTable && $this->mergeConfigFrom(self::CONFIG, 'rustdaemon');
        $this->app->singleton(ClientInterface::class, Clients::ofThisProcess(...));
    }

    public function boot(): void
    {
        $this->publishes([self::CONFIG => $this->app->configPath('rustdaemon.php')], 'rustdaemon-config');
        $this->commands(Commands::ALL);
        Commands::nameShortly($this->app);
        $this->app->make('events')->subscribe(WorkerLog::class);
        QueueWorker::watch($this->app);
        ForkResets::register($this->app);
        Maintenance::watch($this->app);
    }
}
