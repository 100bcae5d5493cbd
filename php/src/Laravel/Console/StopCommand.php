<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Console;

use RustDaemon\Internal\ExitCode;

/**
 * `artisan rustdaemon:stop`.
 *
 * @internal
 */
final class StopCommand extends DaemonCommand
{
    protected $signature = 'rustdaemon:stop {name? : A pool, or one worker as POOL#SLOT; none: the daemon}';
    protected $description = 'Drain and stop the daemon, or only some workers, which stay so until they are started';

    public function handle(): int
    {
        $name = $this->argument('name');
        if ($name !== null) {
            return $this->told($this->client()->call('worker.stop', $name));
        }
        $answer = $this->client()->call('daemon.stop');
        $this->printed($answer) || $this->lines(['stopping']);
        return ExitCode::DONE;
    }
}
