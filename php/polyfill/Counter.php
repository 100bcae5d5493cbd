<?php

declare(strict_types=1);

namespace RustDaemon;

/**
 * A number that processes share: ext-rustdaemon has it, and nothing else.
 */
final class Counter
{
    use Internal\Missing;
}
