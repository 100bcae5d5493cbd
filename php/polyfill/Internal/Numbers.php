<?php

declare(strict_types=1);

namespace RustDaemon\Internal;

use RustDaemon\Exception\InvalidArgument;
use RustDaemon\Signal;
use TypeError;

/**
 * Signals and times as people give them.
 *
 * @internal
 */
final class Numbers
{
    private const NAMES = [
        1 => 'HUP', 'INT', 'QUIT', 'ILL', 'TRAP', 'ABRT', 'BUS', 'FPE', 'KILL', 'USR1', 'SEGV', 'USR2', 'PIPE', 'ALRM',
        'TERM', 'STKFLT', 'CHLD', 'CONT', 'STOP', 'TSTP', 'TTIN', 'TTOU', 'URG', 'XCPU', 'XFSZ', 'VTALRM', 'PROF',
        'WINCH', 'IO', 'PWR', 'SYS',
    ];
    private const ALIASES = ['IOT' => 6, 'CLD' => 17, 'POLL' => 29];

    /**
     * @throws InvalidArgument it is none
     */
    public static function signal(int|string $signal): int
    {
        if (is_string($signal) && !ctype_digit($signal)) {
            return self::named($signal);
        }
        $number = (int) $signal;
        return match (true) {
            ($number >= 1 && $number <= 31) || ($number >= Signal::RTMIN && $number <= Signal::RTMAX) => $number,
            $number > 31 && $number < Signal::RTMIN => throw new InvalidArgument(
                "signal: signal $number belongs to the C library: realtime signals that a program may use are 34 "
                . '(SIGRTMIN) to 64 (SIGRTMAX)'
            ),
            default => throw new InvalidArgument(
                "signal: $number is not a signal: a number from 1 to 64, or a name as SIGTERM, is"
            ),
        };
    }

    /**
     * @throws InvalidArgument it is none, or nobody can handle it
     */
    public static function handled(int|string $signal): int
    {
        $number = self::signal($signal);
        return match ($number) {
            Signal::KILL, Signal::STOP => throw self::unchangeable($number),
            Signal::ILL, Signal::BUS, Signal::FPE, Signal::SEGV => throw new InvalidArgument(
                'signal: ' . self::name($number)
                . ' tells of a fault of this process itself, after which no PHP code can run: it cannot be handled'
            ),
            default => $number,
        };
    }

    /**
     * @throws InvalidArgument it is none, or nobody can change what it does
     */
    public static function changed(int|string $signal): int
    {
        $number = self::signal($signal);
        return in_array($number, [Signal::KILL, Signal::STOP], true) ? throw self::unchangeable($number) : $number;
    }

    /**
     * @param int|string|array<mixed> $signals
     * @param callable(int|string): int $check
     * @return list<int>
     */
    public static function list(int|string|array $signals, callable $check): array
    {
        foreach ((array) $signals as $signal) {
            if (!is_int($signal) && !is_string($signal)) {
                $type = get_debug_type($signal);
                throw new TypeError("signals: must hold signals as string|int only, $type given");
            }
        }
        return array_values(array_map($check, (array) $signals));
    }

    public static function name(int $number): string
    {
        $from = $number - Signal::RTMIN;
        return match (true) {
            isset(self::NAMES[$number]) => 'SIG' . self::NAMES[$number],
            $from === 0 => 'SIGRTMIN',
            $number === Signal::RTMAX => 'SIGRTMAX',
            $from <= intdiv(Signal::RTMAX - Signal::RTMIN, 2) => "SIGRTMIN+$from",
            default => 'SIGRTMAX-' . Signal::RTMAX - $number,
        };
    }

    /**
     * When a wait ends, as hrtime(true) has it; null: never.
     *
     * @throws InvalidArgument
     */
    public static function deadline(?float $timeout, ?string $name = null): ?int
    {
        $span = self::span($timeout, $name);
        return $span === null ? null : hrtime(true) + $span;
    }

    /**
     * How long a wait is, in nanoseconds; null: for ever.
     *
     * @param string|null $name of an argument that is never null
     * @throws InvalidArgument
     */
    public static function span(?float $timeout, ?string $name = null): ?int
    {
        if ($timeout === null || $timeout >= 1e9) {
            return null;
        }
        if (!($timeout >= 0.0)) {
            throw new InvalidArgument($name === null
                ? 'timeout: must be a number of seconds from 0.0, or null to wait as long as it takes'
                : "$name: must be a number of seconds from 0.0");
        }
        return (int) ($timeout * 1e9);
    }

    private static function named(string $signal): int
    {
        $short = preg_replace('/^SIG/', '', strtoupper($signal));
        $number = array_search($short, self::NAMES, true) ?: self::ALIASES[$short] ?? null;
        if ($number === null && preg_match('/^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/D', $short, $found)) {
            $offset = (int) ($found[3] ?? 0);
            $number = $found[1] === 'MIN' ? Signal::RTMIN + $offset : Signal::RTMAX - $offset;
            $right = ($found[2] ?? '') === '' || ($found[1] === 'MIN') === ($found[2] === '+');
            $number = $right && $number >= Signal::RTMIN && $number <= Signal::RTMAX ? $number : null;
        }
        return $number ?? throw new InvalidArgument("signal: \"$signal\" is not a signal: a name as SIGTERM, TERM or "
            . 'SIGRTMIN+1, or a number from 1 to 64, is');
    }

    private static function unchangeable(int $number): InvalidArgument
    {
        return new InvalidArgument('signal: ' . self::name($number) . ' cannot be handled, ignored or changed: '
            . 'the kernel acts on it by itself; SIGTERM asks a process to end');
    }
}
