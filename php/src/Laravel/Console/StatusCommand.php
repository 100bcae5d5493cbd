<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Console;

use RustDaemon\Exception\DaemonException;
use RustDaemon\Internal\ExitCode;
use RustDaemon\Internal\Extension;

/**
 * `artisan rustdaemon:status`. Exit code 1: a worker is parked.
 *
 * @internal
 */
final class StatusCommand extends DaemonCommand
{
    protected const PATIENCE_SECONDS = 35.0;

    protected $signature = 'rustdaemon:status';
    protected $description = 'Show pools and workers; exit code 1 when a worker is parked';

    public function handle(): int
    {
        $status = $this->client()->status();
        $this->printed($status)
            || $this->lines([...StatusText::lines($status, microtime(true)), ...self::hints()]);
        $isParked = in_array('parked', array_column($status['workers'], 'state'), true);
        return $isParked ? ExitCode::BAD_NEWS : ExitCode::DONE;
    }

    /**
     * What would keep a worker of this application from starting.
     *
     * @return list<string>
     */
    private static function hints(): array
    {
        try {
            Extension::check();
            return [];
        } catch (DaemonException $why) {
            return ['', "No worker can start here: {$why->getMessage()}"];
        }
    }
}
