<?php

declare(strict_types=1);

namespace RustDaemon\Client\Internal;

use RustDaemon\Client\InvalidArgument;

/**
 * A moment on the monotonic clock, or never.
 *
 * @internal
 */
final class Deadline
{
    /**
     * More than this is for ever: 1000 years would not fit into the clock's nanoseconds.
     */
    private const MOST = 1e9;

    private function __construct(private readonly ?int $at)
    {
    }

    public static function in(?float $seconds): self
    {
        $never = $seconds === null || $seconds >= self::MOST;
        return new self($never ? null : hrtime(true) + (int) ($seconds * 1e9));
    }

    /**
     * @throws InvalidArgument a time in which nothing can be done
     */
    public static function check(?float $seconds): ?float
    {
        if ($seconds !== null && !($seconds > 0.0)) {
            throw new InvalidArgument("timeout: $seconds is not possible; give more than 0.0 seconds, null for ever");
        }
        return $seconds !== null && $seconds >= self::MOST ? null : $seconds;
    }

    /**
     * Seconds, 0.0 when it has passed; null: never.
     */
    public function left(): ?float
    {
        return $this->at === null ? null : max(0.0, ($this->at - hrtime(true)) / 1e9);
    }

    public function hasPassed(): bool
    {
        return $this->at !== null && hrtime(true) >= $this->at;
    }
}
