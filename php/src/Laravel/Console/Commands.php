<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Console;

use Illuminate\Console\Application as Artisan;
use Illuminate\Console\Events\ArtisanStarting;

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
     * An artisan is made: in a web request as well, when somebody calls one there.
     */
    public function add(ArtisanStarting $event): void
    {
        $event->artisan->resolveCommands(self::ALL);
        Artisan::starting(self::nameShortly(...)); // asked last, when everybody's commands are there
    }

    /**
     * Has rustdaemon:status answer to daemon:status too, and so all of them, where nobody else has a command of that
     * name.
     */
    private static function nameShortly(Artisan $artisan): void
    {
        foreach ($artisan->all('rustdaemon') as $name => $command) {
            $short = substr($name, strlen('rust'));
            if (in_array($command::class, self::ALL, true) && !self::has($artisan, $short)) {
                $command->setAliases([...$command->getAliases(), $short]);
                $artisan->add($command);
            }
        }
    }

    private static function has(Artisan $artisan, string $name): bool
    {
        $later = (fn (): array => $this->commandMap ?? [])->call($artisan); // made when they are called: Laravel 9
        return isset($later[$name]) || $artisan->has($name);
    }
}
