<?php

declare(strict_types=1);

namespace App\Console\Commands;

use App\Opcua\Session;
use App\Opcua\Sessions;
use Illuminate\Cache\CacheManager;
use Illuminate\Console\Command;
use Illuminate\Log\LogManager;
use RustDaemon\Worker;

/** Keeps a session with an OPC UA server open and offers it on a Unix socket, under the sidecar of rustdaemon. */
final class OpcuaSession extends Command
{
    protected $signature = 'opcua:session
        {--timeout=600 : Seconds without a request after which a client\'s session expires}
        {--cleanup-interval=30 : Seconds between two sweeps that close expired sessions at the plant}
        {--max-sessions=100 : How many sessions clients may have open; 0: any number}
        {--socket-mode= : Octal mode of the socket, such as 0660 (default: 0600)}
        {--log-channel= : Channel of config/logging.php (default: the application\'s)}
        {--cache-store= : Store of config/cache.php for the metadata of nodes (default: the application\'s)}';

    protected $description = 'Keeps a session with an OPC UA server open and offers it on a Unix socket';

    public function handle(LogManager $logs, CacheManager $caches): int
    {
        $channel = $this->option('log-channel') ?? config('logging.default');
        $store = $this->option('cache-store') ?? config('cache.default');
        $mode = $this->option('socket-mode') ?? '0600';

        $refusal = $this->refusal($channel, $store, $mode);
        if ($refusal !== null) {
            return $this->refuse($refusal);
        }

        // The gate. Without a sidecar above it, this line starts one in place of this process, which then starts the
        // command again: so nothing is opened, started or logged before it.
        try {
            $worker = Worker::install(socket: config('opcua.socket'), mode: $mode, token: config('opcua.token'));
        } catch (\Throwable $why) {
            return $this->refuse($why->getMessage());
        }

        $log = $logs->channel($channel);
        $cache = $caches->store($store);
        $session = new Session([...config('opcua.bridge'), config('opcua.endpoint')], config('opcua.timeout'), $log);
        $describe = static fn (string $node): array => $cache->remember(
            'opcua:'.config('opcua.endpoint').":$node",
            config('opcua.metadata_ttl'),
            static fn (): array => $session->describe($node),
        );

        $worker->expose('opcua.read', $session->read(...), 'Reads one attribute of one node', idempotent: true);
        $worker->expose('opcua.readMany', $session->readMany(...), 'Reads the values of many nodes', idempotent: true);
        $worker->expose('opcua.describe', $describe, 'What a node is called, from the cache', idempotent: true);
        $worker->expose('opcua.status', $session->status(...), 'How the session is', idempotent: true);

        // Sessions of clients' own, as opcua-session-manager has them.
        $connect = static fn (string $endpoint): Session
            => new Session([...config('opcua.bridge'), $endpoint], config('opcua.timeout'), $log);
        $sessions = new Sessions($connect, (float) $this->option('timeout'), (int) $this->option('max-sessions'));
        $worker->expose('open', $sessions->open(...), 'Opens a session for this client alone');
        $worker->expose('query', $sessions->query(...), 'Calls a method of a session');
        $worker->expose('close', $sessions->close(...), 'Closes a session');
        $worker->expose('list', $sessions->list(...), 'The sessions of this worker', idempotent: true);
        $worker->onExpire($sessions->expire(...));
        $worker->every((float) $this->option('cleanup-interval'), static function () use ($sessions, $log): void {
            if (($closed = $sessions->sweep()) > 0) {
                $log->info('expired OPC UA sessions closed', ['sessions' => $closed]);
            }
        });

        $log->info('opcua:session is up', [
            'endpoint' => config('opcua.endpoint'),
            'cache' => $store,
            'supervised' => $worker->supervised(),
        ]);
        try {
            return $worker->run(); // until SIGTERM, SIGINT or the sidecar says stop
        } finally {
            $sessions->closeAll();
            $session->close();
            $log->info('opcua:session is down');
        }
    }

    private function refuse(string $why): int
    {
        $this->getOutput()->getErrorStyle()->writeln("<error>$why</error>");

        return self::FAILURE;
    }

    /** Why the command does not start, in one sentence; null when it may. */
    private function refusal(string $channel, string $store, string $mode): ?string
    {
        foreach (['timeout', 'cleanup-interval'] as $option) {
            $seconds = $this->option($option);
            if (! is_numeric($seconds) || $seconds <= 0) {
                return "--$option=$seconds: a number of seconds greater than 0 is wanted.";
            }
        }
        if (preg_match('/^\d{1,6}$/', (string) $this->option('max-sessions')) !== 1) {
            return "--max-sessions={$this->option('max-sessions')}: a number from 0 (any) to 999999 is wanted.";
        }
        foreach (['socket-mode', 'log-channel', 'cache-store'] as $option) {
            if ($this->input->hasParameterOption("--$option") && $this->option($option) === null) {
                return "--$option wants a value.";
            }
        }
        if (preg_match('/^0?[0-7]{3}$/', $mode) !== 1) {
            return "--socket-mode=$mode: an octal mode such as 0660 is wanted.";
        }
        if (! is_array(config("logging.channels.$channel"))) {
            return "--log-channel=$channel: config/logging.php has only {$this->names('logging.channels')}.";
        }
        if (! is_array(config("cache.stores.$store"))) {
            return "--cache-store=$store: config/cache.php has only {$this->names('cache.stores')}.";
        }
        if (! class_exists(Worker::class)) {
            return 'The extension is not loaded: put extension=rustdaemon.so into php.ini, '
                .'or say php -d extension=rustdaemon.so artisan opcua:session.';
        }

        return null;
    }

    private function names(string $key): string
    {
        return implode(', ', array_keys(config($key)));
    }
}
