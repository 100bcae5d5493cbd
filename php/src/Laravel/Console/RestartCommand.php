<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Console;

/**
 * `artisan rustdaemon:restart`.
 *
 * @internal
 */
final class RestartCommand extends DaemonCommand
{
    protected $signature = 'rustdaemon:restart {name? : A pool, or one worker as POOL#SLOT; none: all}';
    protected $description = 'End workers and start them anew';

    public function handle(): int
    {
        return $this->told($this->client()->call('worker.restart', $this->argument('name')));
    }
}
