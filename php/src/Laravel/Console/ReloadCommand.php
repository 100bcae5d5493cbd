<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Console;

use RustDaemon\Internal\ExitCode;

/**
 * `artisan rustdaemon:reload`: what a deploy ends with. Exit code 1: it is refused, and the old generation stays.
 *
 * @internal
 */
final class ReloadCommand extends DaemonCommand
{
    protected $signature = 'rustdaemon:reload {pool? : A pool; none: all}';
    protected $description = 'Start a new generation of workers and move the traffic when it is ready; '
        . 'exit code 1: it is refused, and the old one stays';

    public function handle(): int
    {
        $pool = $this->argument('pool');
        $answer = $this->client()->call('daemon.reload', $pool);
        if (!$this->printed($answer)) {
            $isMeant = static fn (array $of): bool => $pool === null || $pool === $of['name'];
            $line = static fn (array $of): string => "{$of['name']}: generation {$of['generation']} serves";
            $this->lines(array_map($line, array_values(array_filter($answer['pools'], $isMeant))));
        }
        return ExitCode::DONE;
    }
}
