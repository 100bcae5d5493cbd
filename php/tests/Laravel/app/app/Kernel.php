<?php

declare(strict_types=1);

namespace App;

use Illuminate\Console\Application as Artisan;
use Illuminate\Foundation\Console\Kernel as ConsoleKernel;

/**
 * Has the commands that lie in app/Commands.
 */
final class Kernel extends ConsoleKernel
{
    protected function commands(): void
    {
        foreach (glob($this->app->path('Commands/*.php')) as $file) {
            require_once $file;
            $class = 'App\\Commands\\' . basename($file, '.php');
            Artisan::starting(static fn (Artisan $artisan) => $artisan->resolve($class));
        }
    }
}
