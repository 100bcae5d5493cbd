<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Console;

use Illuminate\Console\Application as Artisan;
use Illuminate\Console\Events\ArtisanStarting;
use Illuminate\Contracts\Foundation\Application;

/**
 * The artisan commands.
 *
 * @internal
 */
final class Commands
{
    public const ALL = [
        InstallCommand::class,
        ReloadCommand::class,
        RestartCommand::class,
        RunCommand::class,
        StatusCommand::class,
        StopCommand::class,
    ];

    /**
     * Has rustdaemon:status answer to daemon:status too, and so all of them, where nobody else has a command of that
     * name. This is asked last, when everybody's commands are there.
     */
    public static function nameShortly(Application $app): void
    {
        $app->make('events')->listen(ArtisanStarting::class, static function (): void {
            Artisan::starting(static function (Artisan $artisan): void {
                foreach ($artisan->all('rustdaemon') as $name => $command) {
                    $short = substr($name, strlen('rust'));
                    if (in_array($command::class, self::ALL, true) && !self::has($artisan, $short)) {
                        $command->setAliases([...$command->getAliases(), $short]);
                        $artisan->add($command);
                    }
                }
            });
        });
    }

    private static function has(Artisan $artisan, string $name): bool
    {
        $later = (fn (): array => $this->commandMap ?? [])->call($artisan); // made when they are called: Laravel 9
        return isset($later[$name]) || $artisan->has($name);
    }
}
