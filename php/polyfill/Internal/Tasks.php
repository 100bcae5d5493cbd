<?php

declare(strict_types=1);

namespace RustDaemon\Internal;

/**
 * What is to be called between two requests, and when: nanoseconds of the caller's clock.
 *
 * @internal
 */
final class Tasks
{
    /** What a clock of 64 bits cannot reach does not come. */
    private const NEVER_SECONDS = 1e9;

    /** @var array<int, array{null|int, float, bool, callable}> due, seconds, whether again, what; due null: not begun */
    private array $tasks = [];
    private bool $begun = false;

    /**
     * @throws \RustDaemon\Exception\InvalidArgument
     */
    public function add(float $seconds, bool $again, callable $task, int $now): void
    {
        Settings::checkSeconds($seconds, $again);
        $this->tasks[] = [null, $seconds, $again, $task];
        $this->begun && $this->begin($now);
    }

    /**
     * The worker is ready: times count from here.
     */
    public function begin(int $now): void
    {
        $this->begun = true;
        foreach ($this->tasks as &$task) {
            $task[0] ??= $task[1] >= self::NEVER_SECONDS ? PHP_INT_MAX : $now + (int) ($task[1] * 1e9);
        }
    }

    /**
     * When the next one is due; null: none is.
     */
    public function next(): ?int
    {
        $due = array_filter(array_column($this->tasks, 0), is_int(...));
        return $due === [] ? null : min($due);
    }

    /**
     * Takes the first task that was due at this moment, of several the one that was registered first. What is called
     * again keeps its times: turns that were missed until now are one.
     */
    public function take(int $moment, int $now): ?callable
    {
        $due = array_filter($this->tasks, static fn (array $task): bool => $task[0] !== null && $task[0] <= $moment);
        if ($due === []) {
            return null;
        }
        $times = array_map(static fn (array $task): int => $task[0], $due);
        $place = array_search(min($times), $times, true);
        [$at, $seconds, $again, $task] = $due[$place];
        if ($again) {
            $period = max(1, (int) ($seconds * 1e9));
            $this->tasks[$place][0] = $at + $period * (intdiv($now - $at, $period) + 1);
        } else {
            unset($this->tasks[$place]);
        }
        return $task;
    }
}
