<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Console;

use Illuminate\Console\Command;
use RustDaemon\Laravel\InvalidConfiguration;
use RustDaemon\Laravel\Settings;
use RustDaemon\Laravel\Sidecar\Binary;
use RustDaemon\Laravel\Sidecar\Document;
use RustDaemon\Laravel\Sidecar\Launch;
use RustDaemon\Laravel\Sidecar\Origin;

/**
 * `artisan rustdaemon:run`: this process becomes the sidecar, with the pools of config/rustdaemon.php, or with one
 * command.
 *
 * @internal
 */
final class RunCommand extends Command
{
    use PoolsOrCommand;

    protected $signature = 'rustdaemon:run
        {words?* : Names of pools, or one artisan command with its arguments; none: all pools}
        {--dev : For development: one worker per pool, and a reload when a file of the application changes}';

    protected $description = 'Become the sidecar: bind the socket, start the workers and keep them alive';

    public function handle(): int
    {
        try {
            $settings = Settings::of($this->laravel);
            $origin = Origin::ofThisProcess($this->laravel->basePath());
            $document = new Document($this->getName(), $origin, $this->getApplication(), $this->option('env'));
            $document->add($this->argument('words'), $settings->pools());
            $missing = self::missing($document);
            $missing === null || throw Refusal::usage($missing);
            $sidecar = $settings->sidecar();
            $binary = Binary::find($sidecar === null ? null : $origin->release->current($sidecar));
            $launch = new Launch($binary, $origin, $this->option('dev') ? ['--dev'] : []);
            $socket = $settings->socket();
            $this->warnOf($origin->release, $settings);
            $top = ['socket' => $socket, 'socket_mode' => $settings->socketMode()];
            $control = $settings->control(); // where artisan will ask for it
            $options = [...$settings->options(), ...($control === null ? [] : ['control' => $control])];
            $json = static fn (?int $token): string => $document->json($options, $top
                + ($token === null ? [] : ['token_fd' => $token]));
            $file = $this->laravel->storagePath() . "/framework/{$document->name()}.json";
            $file = $origin->release->current($origin->release->shared($file));
            return $launch->with($file, $json, $settings->token());
        } catch (InvalidConfiguration $why) {
            throw Refusal::usage($why->getMessage());
        }
    }
}
