<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Console;

use Illuminate\Console\Command;
use Illuminate\Support\Str;
use RustDaemon\Internal\ExitCode;
use RustDaemon\Laravel\InvalidConfiguration;
use RustDaemon\Laravel\Settings;
use RustDaemon\Laravel\Sidecar\Document;
use RustDaemon\Laravel\Sidecar\Origin;
use RustDaemon\Laravel\Sidecar\Program;
use Symfony\Component\Console\Output\OutputInterface;

/**
 * `artisan rustdaemon:install`: writes the files by which Supervisor or systemd starts this application's daemon, and
 * says what to do with them. It writes into the application alone, and over nothing that is there.
 *
 * @internal
 */
final class InstallCommand extends Command
{
    use PoolsOrCommand;

    private const FALLBACK_USER = 'www-data';

    protected $signature = 'rustdaemon:install
        {words?* : As for rustdaemon:run: pools, or one artisan command with its arguments; none: all pools}
        {--name= : What the program is called (default: after the application)}
        {--user= : Who it runs as (default: who owns storage/, or www-data in the place of root)}
        {--path=deploy : Directory for the files, in the application}
        {--force : Write over files that are there}';

    protected $description = 'Write the files by which Supervisor or systemd starts this application\'s daemon';

    public function handle(): int
    {
        try {
            $program = $this->program();
        } catch (InvalidConfiguration $why) {
            throw Refusal::usage($why->getMessage());
        }
        $files = ["{$this->name()}.conf" => $program->supervisor(), "{$this->name()}.service" => $program->systemd()];
        $this->write($files);
        $this->say();
        $isKnown = !function_exists('posix_getpwnam') || ctype_digit($this->user()) || posix_getpwnam($this->user());
        $this->hint($isKnown ? null : "there is no user \"{$this->user()}\" on this machine; give one with --user");
        return ExitCode::DONE;
    }

    /**
     * @throws InvalidConfiguration
     */
    private function program(): Program
    {
        $settings = Settings::of($this->laravel);
        $origin = Origin::ofThisProcess($this->laravel->basePath());
        $this->warnOf($origin->release, $settings);
        $document = new Document($this->getName(), $origin, $this->getApplication(), $this->option('env'));
        $document->add($this->argument('words'), $settings->pools());
        $this->hint(self::missing($document));
        $storage = $this->laravel->storagePath();
        $this->hint(is_dir("$storage/logs") ? null : "$storage/logs is no directory: Supervisor needs it, for its log "
            . 'is to lie there');
        return new Program(
            $this->name(),
            $this->user(),
            $origin->path,
            "{$origin->release->current($storage)}/logs/rustdaemon.log",
            [...$origin->php, "$origin->path/artisan"],
            $this->environment(),
            $this->argument('words'),
            $document->stopSeconds(),
        );
    }

    /**
     * @return list<string> the option that this was called with, and everything else is to be
     */
    private function environment(): array
    {
        $environment = $this->option('env');
        return $environment === null ? [] : ["--env=$environment"];
    }

    private function name(): string
    {
        $named = $this->option('name');
        if ($named !== null && !preg_match('/^[A-Za-z0-9][A-Za-z0-9._-]*$/D', $named)) {
            throw Refusal::usage("--name=$named: a program is called by letters, digits and . _ -");
        }
        $application = Str::slug((string) $this->laravel->make('config')->get('app.name'));
        return $named ?? ($application === '' ? 'rustdaemon' : "$application-rustdaemon");
    }

    private function user(): string
    {
        $named = $this->option('user');
        if ($named !== null && !preg_match('/^[A-Za-z0-9_][A-Za-z0-9._-]*$/D', $named)) {
            throw Refusal::usage("--user=$named: a user is called by letters, digits and . _ -");
        }
        $owner = (int) @fileowner($this->laravel->storagePath());
        $known = function_exists('posix_getpwuid') ? posix_getpwuid($owner) : false;
        return $named ?? ($owner === 0 ? self::FALLBACK_USER : ($known['name'] ?? (string) $owner));
    }

    private function directory(): string
    {
        $path = (string) $this->option('path');
        return str_starts_with($path, '/') ? $path : $this->laravel->basePath($path);
    }

    /**
     * All of them or none.
     *
     * @param array<string, string> $files
     */
    private function write(array $files): void
    {
        $directory = $this->directory();
        foreach ($files as $name => $content) {
            $is = is_file("$directory/$name") ? file_get_contents("$directory/$name") : $content;
            if ($is !== $content && !$this->option('force')) {
                throw Refusal::badNews("$directory/$name is there and says something else; --force writes over it");
            }
        }
        is_dir($directory) || @mkdir($directory, 0777, true);
        foreach ($files as $name => $content) {
            if (@file_put_contents("$directory/$name", $content) === false) {
                throw Refusal::system("$directory/$name cannot be written");
            }
            $this->output->writeln("written: $directory/$name", OutputInterface::OUTPUT_RAW);
        }
    }

    private function say(): void
    {
        [$directory, $name] = [$this->directory(), $this->name()];
        $this->output->writeln([
            '',
            'With Supervisor:',
            "    sudo cp $directory/$name.conf /etc/supervisor/conf.d/ && sudo supervisorctl update",
            'or with systemd:',
            "    sudo cp $directory/$name.service /etc/systemd/system/ && sudo systemctl daemon-reload",
            "    sudo systemctl enable --now $name",
            'and at the end of a deploy:',
            implode(' ', ['    php artisan rustdaemon:reload', ...$this->environment()]),
        ], OutputInterface::OUTPUT_RAW);
    }
}
