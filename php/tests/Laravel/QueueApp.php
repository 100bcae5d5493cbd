<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PDO;
use RustDaemon\Client\ClientException;
use RustDaemon\Tests\Child;
use RustDaemon\Tests\Laravel\Jobs\Work;

/**
 * An application with a queue in an SQLite file, and `php artisan queue:work` under a sidecar.
 */
final class QueueApp
{
    public readonly App $app;
    private ?Child $sidecar = null;

    public function __construct()
    {
        $this->app = new App();
        $this->app->write('config/database.php', '<?php return [
            "default" => "sqlite",
            "connections" => ["sqlite" => ["driver" => "sqlite", "database" => storage_path("db"), "prefix" => ""]],
            "migrations" => "migrations",
        ];');
        $this->app->write('config/queue.php', '<?php return [
            "default" => "database",
            "connections" => ["database" => ["driver" => "database", "table" => "jobs", "queue" => "default",
                "retry_after" => 600, "connection" => null], "sync" => ["driver" => "sync"]],
            "failed" => ["driver" => "database-uuids", "database" => "sqlite", "table" => "failed_jobs"],
        ];');
        $this->app->write('app/Commands/PushCommand.php', '<?php namespace App\Commands;
            final class PushCommand extends \Illuminate\Console\Command {
                protected $signature = "push {name} {how?} {timeout?}";
                public function handle() {
                    $timeout = $this->argument("timeout");
                    dispatch(new \\' . Work::class . '($this->argument("name"), $this->argument("how") ?? "",
                        $timeout === null ? null : (int) $timeout));
                }
            }');
        $this->database()->exec('PRAGMA journal_mode=WAL;
            CREATE TABLE jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT, payload TEXT, attempts INTEGER,
                reserved_at INTEGER, available_at INTEGER, created_at INTEGER);
            CREATE TABLE failed_jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT, connection TEXT, queue TEXT,
                payload TEXT, exception TEXT, failed_at TEXT DEFAULT CURRENT_TIMESTAMP)');
    }

    /**
     * Its workers end with the sidecar, but a moment later: not after their directory.
     */
    public function __destruct()
    {
        $sidecar = $this->sidecar?->pid();
        $workers = $sidecar === null ? '' : (string) @file_get_contents("/proc/$sidecar/task/$sidecar/children");
        $this->sidecar?->kill();
        foreach (array_filter(explode(' ', $workers)) as $worker) {
            $state = fn (): string => substr(strrchr((string) @file_get_contents("/proc/$worker/stat"), ')'), 2, 1);
            $this->eventually("$worker ends", fn (): bool => in_array($state(), ['', 'Z'], true));
        }
    }

    /**
     * `rustdaemon run ... -- php artisan queue:work ...`, until a worker is idle.
     *
     * @param list<string> $words of queue:work
     * @param list<string> $flags of `rustdaemon run`
     */
    public function work(array $words = [], array $flags = []): Child
    {
        $run = [getenv('RUSTDAEMON_BIN'), 'run', '--socket', $this->app->socket(), '--name', 'queue', ...$flags, '--'];
        $command = [...$this->app->php(), "{$this->app->path}/artisan", 'queue:work', ...$words];
        $environment = ['RUSTDAEMON_PACKAGE' => dirname(__DIR__, 2)];
        $this->sidecar = new Child([...$run, ...$command], "{$this->app->path}/out", $environment);
        return $this->sidecar;
    }

    public function idle(int $workers = 1): void
    {
        $this->app->untilIdle($this->sidecar, $workers);
    }

    public function push(string $name, string $how = '', ?int $timeout = null): void
    {
        $words = ['push', $name, $how, ...($timeout === null ? [] : [(string) $timeout])];
        $ended = $this->app->artisan($words);
        $ended->code === 0 ?: throw new \RuntimeException($ended->output . $ended->error);
    }

    /**
     * Lets jobs go on that hold.
     */
    public function release(): void
    {
        $this->app->write('storage/release', '');
    }

    /**
     * @return list<string> what jobs have noted
     */
    public function notes(): array
    {
        return array_values(array_filter(explode("\n", $this->app->read('storage/notes'))));
    }

    /**
     * Waits until the jobs have noted just this.
     */
    public function untilNotes(string ...$expected): void
    {
        $this->eventually('noted: ' . implode(', ', $expected), fn (): bool => $this->notes() === $expected);
    }

    /**
     * What `daemon.status` says of one worker.
     *
     * @return array<string, mixed>
     */
    public function worker(int $slot = 0): array
    {
        try {
            return $this->app->client()->status()['workers'][$slot] ?? [];
        } catch (ClientException) {
            return [];
        }
    }

    /**
     * Waits until `last_exit` of the first worker says something, and gives it.
     */
    public function lastExit(): string
    {
        return $this->eventually('a worker has ended', fn (): ?string => $this->worker()['last_exit'] ?? null);
    }

    public function eventually(string $what, callable $condition): mixed
    {
        return $this->sidecar->eventually($what, $condition);
    }

    public function untilEmpty(): void
    {
        $this->eventually('the queue is empty', fn (): bool => $this->count('jobs') === 0);
    }

    public function count(string $table): int
    {
        return (int) $this->database()->query("SELECT count(*) FROM $table")->fetchColumn();
    }

    private function database(): PDO
    {
        return new PDO("sqlite:{$this->app->path}/storage/db");
    }
}
