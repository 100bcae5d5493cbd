<?php

declare(strict_types=1);

namespace RustDaemon;

/**
 * A child process that runs one PHP function: ext-rustdaemon has it, and nothing else.
 */
final class Process
{
    use Internal\Missing;
}
