<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Console;

/**
 * How our commands end: as those of the sidecar's own command line do.
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
}
