<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PDO;
use RustDaemon\Client\ClientException;
use RustDaemon\Tests\Child;
use RustDaemon\Tests\Laravel\Jobs\Work;
use RustDaemon\Tests\RedisServer;

/**
 * An application with a queue in an SQLite file, and `php artisan queue:work` under a sidecar.
 */
final class QueueApp
{
    public readonly App $app;
    private ?Child $sidecar = null;

    /**
     * @param RedisServer|null $redis has the queue then
     */
    public function __construct(?RedisServer $redis = null)
    {
        $socket = $redis?->socket;
        $this->app = new App();
        $this->app->write('config/database.php', '<?php return [
            "default" => "sqlite",
            "connections" => ["sqlite" => ["driver" => "sqlite", "database" => storage_path("db"), "prefix" => ""]],
            "migrations" => "migrations",
            "redis" => ["client" => "phpredis", "default" => ["host" => "' . $socket . '", "port" => 0]],
        ];');
        $this->app->write('config/queue.php', '<?php return [
            "default" => "' . ($redis === null ? 'database' : 'redis') . '",
            "connections" => ["database" => ["driver" => "database", "table" => "jobs", "queue" => "default",
                "retry_after" => 600, "connection" => null], "sync" => ["driver" => "sync"],
                "redis" => ["driver" => "redis", "connection" => "default", "queue" => "default",
                "retry_after" => 600, "block_for" => 1]],
            "failed" => ["driver" => "database-uuids", "database" => "sqlite", "table" => "failed_jobs"],
        ];');
        $this->app->write('app/Commands/PushCommand.php', '<?php namespace App\Commands;
            final class PushCommand extends \Illuminate\Console\Command {
                protected $signature = "push {names} {how?} {timeout?}";
                public function handle() {
                    [$how, $timeout] = [$this->argument("how") ?? "", $this->argument("timeout")];
                    foreach (explode(",", $this->argument("names")) as $name) {
                        $job = new \\' . Work::class . '($name, $how, $timeout === null ? null : (int) $timeout);
                        dispatch($job);
                    }
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
            $stat = static fn (): string => (string) @file_get_contents("/proc/$worker/stat"); // gone: nothing
            $state = static fn (): string => substr((string) strrchr($stat(), ')'), 2, 1);
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
        return $this->sidecar = new Child([...$run, ...$command], "{$this->app->path}/out", $environment);
    }

    /**
     * `php artisan rustdaemon:run` with one pool: queue:work in so many workers.
     */
    public function run(int $workers): Child
    {
        $pool = "['artisan' => 'queue:work', 'workers' => $workers]";
        $this->app->write('config/rustdaemon.php', "<?php return ['pools' => ['queue' => $pool]];");
        return $this->sidecar = $this->app->start(['rustdaemon:run']);
    }

    public function idle(int $workers = 1): void
    {
        $this->app->untilIdle($this->sidecar, $workers);
    }

    /**
     * @param string $names separated by commas
     */
    public function push(string $names, string $how = '', ?int $timeout = null): void
    {
        $words = ['push', $names, $how, ...($timeout === null ? [] : [(string) $timeout])];
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
