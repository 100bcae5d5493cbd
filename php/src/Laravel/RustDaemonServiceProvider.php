<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

use Illuminate\Console\Events\ArtisanStarting;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Foundation\Events\MaintenanceModeDisabled;
use Illuminate\Foundation\Events\MaintenanceModeEnabled;
use Illuminate\Support\ServiceProvider;
use RustDaemon\Client\ClientInterface;
use RustDaemon\Laravel\Console\Commands;
use RustDaemon\Laravel\Events\WorkerStarted;

/**
 * What the package brings to a Laravel application. Found by itself: see composer.json, extra.laravel.
 *
 * A line of register() and of boot() is a step; what it does stands in the class that it names. A web request pays for
 * each class that is loaded here, so listeners are named, and made when their event comes: Artisan::call() has our
 * commands in a web request too.
 */
final class RustDaemonServiceProvider extends ServiceProvider
{
    private const CONFIG = __DIR__ . '/../../config/rustdaemon.php';

    public function register(): void
    {
        $isTable = is_array($this->app->make('config')->get('rustdaemon', [])); // else Settings says so, when asked
        $isTable && $this->mergeConfigFrom(self::CONFIG, 'rustdaemon');
        $this->app->singleton(ClientInterface::class, static fn (Application $app): ClientInterface
            => Clients::ofThisProcess($app));
    }

    public function boot(): void
    {
        $this->publishes([self::CONFIG => $this->app->configPath('rustdaemon.php')], 'rustdaemon-config');
        $events = $this->app->make('events');
        $events->listen(ArtisanStarting::class, [Commands::class, 'add']);
        $events->listen(MaintenanceModeEnabled::class, [Maintenance::class, 'pause']);
        $events->listen(MaintenanceModeDisabled::class, [Maintenance::class, 'resume']);
        if (PHP_SAPI === 'cli') { // only there are workers, and children of Process::fork(); Octane's servers are, too
            $events->subscribe(WorkerLog::class);
            $events->listen(WorkerStarted::class, [Maintenance::class, 'join']);
            QueueWorker::watch($this->app);
            ForkResets::register($this->app);
        }
    }
}
