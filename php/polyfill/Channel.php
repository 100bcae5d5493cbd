<?php

declare(strict_types=1);

namespace RustDaemon;

/**
 * A bounded queue of messages between processes: ext-rustdaemon has it, and nothing else.
 */
final class Channel
{
    use Internal\Missing;
}
