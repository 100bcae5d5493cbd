<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use FilesystemIterator;
use RecursiveDirectoryIterator;
use RecursiveIteratorIterator;
use RustDaemon\Client\Client;
use RustDaemon\Client\ClientException;
use RustDaemon\Tests\Child;

/**
 * A Laravel application of a test's own: tests/Laravel/app, copied, with this package as Composer would have installed
 * it. Removed with what is in it.
 */
final class App
{
    public readonly string $path;

    /**
     * @param array<string, string> $environment of everything that runs in it
     */
    public function __construct(private readonly array $environment = [])
    {
        $this->path = '/tmp/rdl-' . bin2hex(random_bytes(6));
        $source = __DIR__ . '/app';
        foreach (self::below($source, RecursiveIteratorIterator::SELF_FIRST) as $file) {
            $name = substr((string) $file, strlen($source) + 1);
            $this->write($name, $file->isDir() ? null : file_get_contents((string) $file));
        }
        foreach (['bootstrap/cache', 'storage/framework/cache/data', 'storage/logs', 'app/Commands'] as $directory) {
            $this->write($directory, null);
        }
        $package = json_decode(file_get_contents(dirname(__DIR__, 2) . '/composer.json'), true);
        $this->write('vendor/composer/installed.json', json_encode(['packages' => [$package]]));
        $this->write('composer.json', '{"autoload": {"psr-4": {"App\\\\": "app/"}}}');
    }

    public function __destruct()
    {
        foreach (self::below($this->path, RecursiveIteratorIterator::CHILD_FIRST) as $file) {
            $file->isDir() && !$file->isLink() ? rmdir((string) $file) : unlink((string) $file);
        }
        rmdir($this->path);
    }

    /**
     * @param string|null $content null: a directory
     */
    public function write(string $file, ?string $content): void
    {
        $path = "$this->path/$file";
        $directory = $content === null ? $path : dirname($path);
        is_dir($directory) || mkdir($directory, 0700, true);
        $content === null || file_put_contents($path, $content);
    }

    /**
     * Gives it a command that is a worker: plant:serve.
     *
     * @param string $methods PHP code that exposes them
     */
    public function plant(string $methods): void
    {
        $this->write('app/Commands/PlantCommand.php', <<<PHP
            <?php

            namespace App\Commands;

            final class PlantCommand extends \Illuminate\Console\Command
            {
                use \RustDaemon\Laravel\RunsAsWorker;

                protected \$signature = 'plant:serve';

                public function handle(): int
                {
                    $methods

                    return \$this->worker->run();
                }
            }
            PHP);
    }

    /**
     * What a file of it says; nothing, where there is none.
     */
    public function read(string $file): string
    {
        return (string) @file_get_contents("$this->path/$file");
    }

    /**
     * `php artisan ...`, to its end, with the extension.
     *
     * @param list<string> $words
     * @param array<string, string> $environment
     */
    public function artisan(array $words, array $environment = []): Ended
    {
        return $this->run([...$this->php(), 'artisan', ...$words], $environment);
    }

    /**
     * Any command in its directory, to its end.
     *
     * @param list<string> $command
     * @param array<string, string> $environment
     */
    public function run(array $command, array $environment = []): Ended
    {
        return Ended::of($command, $this->path, $environment + $this->environment());
    }

    /**
     * `php artisan ...`, which goes on.
     *
     * @param list<string> $words
     * @param array<string, string> $environment
     * @param list<string> $options of php, each after a -d
     */
    public function start(array $words, array $environment = [], array $options = []): Child
    {
        $options = array_merge(...array_map(static fn (string $option): array => ['-d', $option], $options));
        $command = [...$this->php(), ...$options, "$this->path/artisan", ...$words];
        return new Child($command, "$this->path/out", $environment + $this->environment());
    }

    /**
     * PHP with the extension, which finds its sidecar.
     *
     * @return list<string>
     */
    public function php(): array
    {
        $sidecar = 'rustdaemon.sidecar=' . getenv('RUSTDAEMON_BIN');
        return [PHP_BINARY, '-d', 'extension=' . getenv('RUSTDAEMON_SO'), '-d', $sidecar];
    }

    public function socket(): string
    {
        return "$this->path/storage/framework/rustdaemon.sock";
    }

    public function client(?string $token = null, ?float $timeout = 20.0): Client
    {
        return new Client($this->socket(), $token, $timeout);
    }

    /**
     * Waits until so many workers are idle.
     */
    public function untilIdle(Child $child, int $workers = 1, ?string $token = null, ?Client $client = null): void
    {
        $client ??= $this->client($token);
        $child->eventually("$workers idle", static function () use ($client, $workers): bool {
            try {
                $states = array_count_values(array_column($client->status()['workers'], 'state'));
                return ($states['idle'] ?? 0) >= $workers;
            } catch (ClientException) {
                return false;
            }
        });
    }

    /**
     * @return array<string, string>
     */
    private function environment(): array
    {
        return $this->environment + ['RUSTDAEMON_PACKAGE' => dirname(__DIR__, 2)];
    }

    /**
     * @return RecursiveIteratorIterator<RecursiveDirectoryIterator>
     */
    private static function below(string $directory, int $order): RecursiveIteratorIterator
    {
        $files = new RecursiveDirectoryIterator($directory, FilesystemIterator::SKIP_DOTS);
        return new RecursiveIteratorIterator($files, $order);
    }
}
