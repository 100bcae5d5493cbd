<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

use RuntimeException;

/**
 * The sidecar has paused a worker whose loop does the waiting itself: out of Worker::shouldStop(), which would wait.
 *
 * @internal
 */
final class Paused extends RuntimeException
{
}
