<?php

declare(strict_types=1);

namespace App\Console\Commands;

use App\Opcua\Session;
use App\Opcua\Sessions;
use Illuminate\Console\Command;
use Illuminate\Contracts\Cache\Repository;
use Psr\Log\LoggerInterface;
use RustDaemon\Laravel\RunsAsWorker;

/** Keeps a session with an OPC UA server open and offers it on a Unix socket, under the sidecar of rustdaemon. */
final class OpcuaSession extends Command
{
    use RunsAsWorker;

    protected $signature = 'opcua:session
        {--timeout=600 : Seconds without a request after which a client\'s session expires}
        {--cleanup-interval=30 : Seconds between two sweeps that close expired sessions at the plant}
        {--max-sessions=100 : How many sessions clients may have open; 0: any number}';

    protected $description = 'Keeps a session with an OPC UA server open and offers it on a Unix socket';

    /** This process is a worker here: log and cache are those of --log-channel and --cache-store. */
    public function handle(LoggerInterface $log, Repository $cache): int
    {
        $connect = static fn (string $endpoint): Session
            => new Session([...config('opcua.bridge'), $endpoint], config('opcua.timeout'), $log);
        $session = $connect(config('opcua.endpoint'));
        $describe = static fn (string $node): array => $cache->remember(
            'opcua:'.config('opcua.endpoint').":$node",
            config('opcua.metadata_ttl'),
            static fn (): array => $session->describe($node),
        );
        // Sessions of clients' own, as opcua-session-manager has them.
        $sessions = new Sessions($connect, (float) $this->option('timeout'), (int) $this->option('max-sessions'));

        $this->worker
            ->expose('opcua.read', $session->read(...), 'Reads one attribute of one node', idempotent: true)
            ->expose('opcua.readMany', $session->readMany(...), 'Reads the values of many nodes', idempotent: true)
            ->expose('opcua.describe', $describe, 'What a node is called, from the cache', idempotent: true)
            ->expose('opcua.status', $session->status(...), 'How the session is', idempotent: true)
            ->expose('open', $sessions->open(...), 'Opens a session for this client alone')
            ->expose('query', $sessions->query(...), 'Calls a method of a session')
            ->expose('close', $sessions->close(...), 'Closes a session')
            ->expose('list', $sessions->list(...), 'The sessions of this worker', idempotent: true)
            ->onExpire($sessions->expire(...))
            ->every((float) $this->option('cleanup-interval'), $sessions->sweep(...));
        try {
            return $this->worker->run(); // until SIGTERM, SIGINT or the sidecar says stop
        } finally {
            $sessions->closeAll();
            $session->close();
        }
    }

    /** Asked before the process becomes a worker, or a sidecar. */
    protected function workerRefusal(): ?string
    {
        foreach (['timeout', 'cleanup-interval'] as $option) {
            $seconds = $this->option($option);
            if (! is_numeric($seconds) || $seconds <= 0) {
                return "--$option=$seconds: a number of seconds greater than 0 is wanted.";
            }
        }
        $most = $this->option('max-sessions');
        if (preg_match('/^\d{1,6}$/', (string) $most) !== 1) {
            return "--max-sessions=$most: a number from 0 (any) to 999999 is wanted.";
        }

        return null;
    }
}
