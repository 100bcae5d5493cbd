<?php

declare(strict_types=1);

namespace RustDaemon\Internal;

use RustDaemon\Exception\LinkBroken;
use RustDaemon\Exception\SelfStartFailed;
use RustDaemon\Exception\SystemCallFailed;
use Throwable;

/**
 * How commands end that are ours, or workers: as those of the sidecar's own command line do.
 *
 * @internal
 */
final class ExitCode
{
    public const DONE = 0;

    /**
     * There was an answer, and it is bad news.
     */
    public const BAD_NEWS = 1;

    /**
     * Usage or configuration: to start it again does not help.
     */
    public const USAGE = 100;

    /**
     * The system, or nobody listens: to start it again may help.
     */
    public const SYSTEM = 111;

    /**
     * Worker::install() has thrown, or what is asked before it.
     */
    public static function ofTheGate(Throwable $why): int
    {
        $mayHelp = $why instanceof LinkBroken || $why instanceof SelfStartFailed || $why instanceof SystemCallFailed;
        return $mayHelp ? self::SYSTEM : self::USAGE;
    }
}
