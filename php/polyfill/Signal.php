<?php

declare(strict_types=1);

namespace RustDaemon;

use RustDaemon\Exception\ExtensionMissing;
use RustDaemon\Exception\InvalidArgument;
use RustDaemon\Exception\SystemCallFailed;
use RustDaemon\Internal\Numbers;
use RustDaemon\Internal\Signals;

/**
 * The extension's Signal on ext-pcntl: the same verbs. What pcntl does not tell is null in SignalInfo; a value cannot
 * be sent.
 */
final class Signal
{
    public const HUP = 1;
    public const INT = 2;
    public const QUIT = 3;
    public const ILL = 4;
    public const TRAP = 5;
    public const ABRT = 6;
    public const BUS = 7;
    public const FPE = 8;
    public const KILL = 9;
    public const USR1 = 10;
    public const SEGV = 11;
    public const USR2 = 12;
    public const PIPE = 13;
    public const ALRM = 14;
    public const TERM = 15;
    public const STKFLT = 16;
    public const CHLD = 17;
    public const CONT = 18;
    public const STOP = 19;
    public const TSTP = 20;
    public const TTIN = 21;
    public const TTOU = 22;
    public const URG = 23;
    public const XCPU = 24;
    public const XFSZ = 25;
    public const VTALRM = 26;
    public const PROF = 27;
    public const WINCH = 28;
    public const IO = 29;
    public const PWR = 30;
    public const SYS = 31;
    public const IOT = 6;
    public const CLD = 17;
    public const POLL = 29;
    public const RTMIN = 34;
    public const RTMAX = 64;

    private const ESRCH = 3;

    private function __construct()
    {
    }

    /**
     * @param int|string|array<int|string> $signals
     * @param callable(SignalInfo): void $handler
     */
    public static function on(array|int|string $signals, callable $handler): void
    {
        foreach (Numbers::list($signals, Numbers::handled(...)) as $number) {
            Signals::get()->on($number, $handler);
        }
    }

    /**
     * @param int|string|array<int|string> $signals
     */
    public static function off(array|int|string $signals): void
    {
        foreach (Numbers::list($signals, Numbers::signal(...)) as $number) {
            Signals::get()->off($number);
        }
    }

    /**
     * @param int|string|array<int|string> $signals
     */
    public static function ignore(array|int|string $signals): void
    {
        foreach (Numbers::list($signals, Numbers::changed(...)) as $number) {
            Signals::get()->reset($number, ignore: true);
        }
    }

    /**
     * @param int|string|array<int|string> $signals
     */
    public static function default(array|int|string $signals): void
    {
        foreach (Numbers::list($signals, Numbers::changed(...)) as $number) {
            Signals::get()->reset($number, ignore: false);
        }
    }

    public static function wait(?float $timeout, int|string ...$signals): ?SignalInfo
    {
        $all = Signals::get();
        $until = Numbers::deadline($timeout);
        $wanted = Numbers::list($signals, Numbers::handled(...)) ?: $all->captured();
        if ($wanted === [] && $until === null) {
            throw new InvalidArgument(
                'signals: no signal has a handler, so this would wait for ever: name the signals to wait for'
            );
        }
        return $all->awaiting($wanted, static function () use ($all, $wanted, $until): ?SignalInfo {
            while (($info = $all->take($wanted)) === null && !$all->stopRequested()) {
                if ($until !== null && hrtime(true) >= $until) {
                    break;
                }
                $all->sleep($until);
            }
            return $info ?? $all->take($wanted);
        });
    }

    public static function dispatch(): int
    {
        return Signals::get()->dispatch();
    }

    /**
     * @return list<SignalInfo>
     */
    public static function pending(): array
    {
        return Signals::get()->pending();
    }

    public static function last(int|string $signal): ?SignalInfo
    {
        return Signals::get()->last(Numbers::signal($signal));
    }

    public static function critical(callable $section, int|string ...$signals): mixed
    {
        return Signals::get()->delayed($section, Numbers::list($signals, Numbers::signal(...)) ?: null);
    }

    public static function stopRequested(): bool
    {
        Signals::get()->arm();
        return Signals::get()->stopRequested();
    }

    /**
     * @return resource
     */
    public static function stream()
    {
        return Signals::get()->stream();
    }

    public static function send(int $pid, int|string $signal, ?int $value = null): void
    {
        if ($pid < 1 || $pid > 2147483647) {
            throw new InvalidArgument(
                "pid: $pid is not one process: a number from 1 is (0 and below mean groups to kill(2))"
            );
        }
        $number = Numbers::signal($signal);
        if ($value !== null || !function_exists('posix_kill')) {
            throw ExtensionMissing::for($value === null ? 'Signal::send() without ext-posix' : 'a signal with a value');
        }
        if (!posix_kill($pid, $number)) {
            $errno = posix_get_last_error();
            $why = $errno === self::ESRCH ? 'there is no such process' : lcfirst(posix_strerror($errno));
            throw new SystemCallFailed(Numbers::name($number) . " was not sent to process $pid: $why", $errno);
        }
    }
}
