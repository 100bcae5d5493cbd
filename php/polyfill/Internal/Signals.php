<?php

declare(strict_types=1);

namespace RustDaemon\Internal;

use Closure;
use RustDaemon\Exception\UnsupportedSapi;
use RustDaemon\Signal;
use RustDaemon\SignalInfo;
use Throwable;

/**
 * What this process has registered for signals, and what has arrived: the state behind Signal and Worker.
 *
 * # How it works
 * ext-pcntl calls arrive() at a safe point of the script. Handlers are called from there, one at a time, unless a
 * critical section or another handler is running; then they are called when that has ended. A wait blocks all
 * captured signals, looks at what has arrived, and lets the kernel hand over the next one (sigtimedwait(2)), so that
 * none is slept over.
 *
 * # Forks
 * See adopt().
 *
 * # What may be lost
 * What ext-pcntl loses. Without it nothing arrives at all; that is said once.
 *
 * @internal
 */
final class Signals
{
    private const STOP = [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP];
    /** The stop signal that ends the process by itself: the ini rustdaemon.force_stop of the extension. */
    private const FORCE_STOP = 3;
    /** How long to sleep at a time where there is no sigtimedwait(2). */
    private const SLICE_SECONDS = 0.01;

    private const LONG_SECONDS = 3600.0;

    private static ?self $instance = null;

    /** @var array<int, callable(SignalInfo): void> */
    private array $handlers = [];
    /** @var array<int, mixed> what was there before us */
    private array $before = [];
    /** @var array<int, true> kept for wait() */
    private array $kept = [];
    /** @var list<int> that somebody waits for now */
    private array $awaited = [];
    /** @var list<SignalInfo> that no handler has seen yet */
    private array $inbox = [];
    /** @var array<int, SignalInfo> */
    private array $last = [];
    /** @var list<null|list<int>> of critical sections; null: all signals */
    private array $delays = [];
    private int $pid;
    private bool $handling = false;
    private bool $armed = false;
    private int $stops = 0;
    private int $called = 0;
    private int $arrived = 0;
    /** @var null|array{resource, resource} */
    private ?array $pair = null;
    /** What ext-pcntl calls: one object, which is known again. */
    private readonly Closure $arrive;

    private function __construct()
    {
        $this->arrive = $this->arrive(...);
        $this->pid = getmypid();
        if (function_exists('pcntl_async_signals')) {
            pcntl_async_signals(true);
        } else {
            fwrite(STDERR, "rustdaemon: neither ext-rustdaemon nor ext-pcntl is loaded: signals are not handled\n");
        }
    }

    /**
     * @throws UnsupportedSapi
     */
    public static function get(): self
    {
        if (PHP_SAPI !== 'cli') {
            throw new UnsupportedSapi('signals and workers are for php-cli; this is ' . PHP_SAPI);
        }
        self::$instance ??= new self();
        self::$instance->adopt();
        return self::$instance;
    }

    /**
     * In a child by fork: handlers stay, what has arrived was for the parent, and a worker's stop signals do what they
     * did before, waited for or not, until the child asks.
     */
    private function adopt(): void
    {
        if ($this->pid === getmypid()) {
            return;
        }
        $stops = $this->armed ? array_diff(self::STOP, array_keys($this->handlers)) : [];
        $this->pid = getmypid();
        [$this->inbox, $this->last, $this->stops, $this->armed, $this->pair] = [[], [], 0, false, null];
        array_map($this->off(...), $stops);
    }

    /**
     * @param callable(SignalInfo): void $handler
     */
    public function on(int $signal, callable $handler): void
    {
        $this->capture($signal);
        $this->handlers[$signal] = $handler;
    }

    /**
     * What was there before comes back, unless somebody has called pcntl_signal() since.
     */
    public function off(int $signal): void
    {
        $this->forget($signal);
        if (!array_key_exists($signal, $this->before)) {
            return;
        }
        $isOurs = self::handler($signal, $this->arrive) === $this->arrive;
        if ($this->armed && in_array($signal, self::STOP, true)) {
            $isOurs || pcntl_signal($signal, $this->arrive);
            return;
        }
        $isOurs && pcntl_signal($signal, $this->before[$signal]);
        unset($this->before[$signal]);
    }

    /**
     * SIG_IGN or SIG_DFL.
     */
    public function reset(int $signal, bool $ignore): void
    {
        $this->forget($signal);
        unset($this->before[$signal]);
        function_exists('pcntl_signal') && pcntl_signal($signal, $ignore ? SIG_IGN : SIG_DFL);
    }

    /**
     * Takes the stop signals, from a handler of pcntl_signal() too: one that the script ignores stays so, but for TERM.
     */
    public function arm(): void
    {
        if ($this->armed) {
            return;
        }
        $this->armed = true;
        foreach (self::STOP as $signal) {
            $isIgnored = function_exists('pcntl_signal') && pcntl_signal_get_handler($signal) === SIG_IGN;
            $isIgnored && $signal !== Signal::TERM || $this->capture($signal);
        }
    }

    public function stopRequested(): bool
    {
        function_exists('pcntl_signal_dispatch') && pcntl_signal_dispatch();
        return $this->stops > 0;
    }

    /**
     * A number that grows with every handler that is called.
     */
    public function called(): int
    {
        return $this->called;
    }

    /**
     * Lets handlers wait while a section runs.
     *
     * @param null|list<int> $signals
     */
    public function delayed(callable $section, ?array $signals): mixed
    {
        $this->delays[] = $signals;
        try {
            return $section();
        } finally {
            array_pop($this->delays);
            $this->run();
        }
    }

    /**
     * Calls the handlers of what has arrived; returns how many.
     *
     * @throws Throwable what the first one throws that does, when all have run
     */
    public function run(): int
    {
        if ($this->handling) {
            return 0;
        }
        $this->handling = true;
        $thrown = null;
        $number = 0;
        try {
            while (($info = $this->next()) !== null) {
                $number++;
                $this->called++;
                try {
                    ($this->handlers[$info->signal])($info);
                } catch (Throwable $why) {
                    $thrown ??= $why;
                }
            }
        } finally {
            $this->handling = false;
        }
        return $thrown === null ? $number : throw $thrown;
    }

    public function dispatch(): int
    {
        if ($this->pair !== null) {
            while ((string) fread($this->pair[0], 4096) !== '') {
                continue;
            }
        }
        $before = $this->called;
        function_exists('pcntl_signal_dispatch') && pcntl_signal_dispatch();
        $this->run();
        return $this->handling ? 0 : $this->called - $before;
    }

    /**
     * @return list<SignalInfo>
     */
    public function pending(): array
    {
        return $this->inbox;
    }

    public function last(int $signal): ?SignalInfo
    {
        return $this->last[$signal] ?? null;
    }

    /**
     * @return list<int> those with a handler, those that were waited for, and a worker's stop signals
     */
    public function captured(): array
    {
        return array_keys($this->handlers + $this->kept + $this->before);
    }

    /**
     * Runs a wait for these signals: their handlers are not called meanwhile, and from now on those are kept for the
     * next wait that nobody has had before. A worker's stop signal stops it too.
     *
     * @param list<int> $signals
     */
    public function awaiting(array $signals, callable $wait): ?SignalInfo
    {
        foreach ($signals as $signal) {
            if (!array_key_exists($signal, $this->before)) {
                $this->capture($signal);
                $this->kept[$signal] = true;
            }
        }
        [$before, $this->awaited] = [$this->awaited, $signals];
        try {
            return $this->delayed($wait, $signals);
        } finally {
            $this->awaited = $before;
        }
    }

    /**
     * Takes the first signal of these out of what has arrived.
     *
     * @param list<int> $signals
     */
    public function take(array $signals): ?SignalInfo
    {
        foreach ($this->inbox as $place => $info) {
            if (in_array($info->signal, $signals, true)) {
                array_splice($this->inbox, $place, 1);
                return $info;
            }
        }
        return null;
    }

    /**
     * Sleeps until this moment of hrtime(true), or until any captured signal has arrived; its handler is called.
     */
    public function sleep(?int $until): void
    {
        $left = $until === null ? self::LONG_SECONDS : max(0, $until - hrtime(true)) / 1e9;
        if (!function_exists('pcntl_sigtimedwait') || $this->before === []) {
            $slice = function_exists('pcntl_signal') ? min($left, self::SLICE_SECONDS) : $left;
            usleep((int) ceil($slice * 1e6));
            function_exists('pcntl_signal_dispatch') && pcntl_signal_dispatch();
            return;
        }
        $signals = array_keys($this->before);
        pcntl_sigprocmask(SIG_BLOCK, $signals, $old);
        try {
            $seen = $this->arrived;
            pcntl_signal_dispatch();
            $nanoseconds = (int) (fmod($left, 1.0) * 1e9);
            $number = $seen === $this->arrived ? @pcntl_sigtimedwait($signals, $info, (int) $left, $nanoseconds) : 0;
            $number > 0 && $this->note($number, $info);
        } finally {
            pcntl_sigprocmask(SIG_SETMASK, $old);
        }
        $this->run();
    }

    /**
     * @return resource
     */
    public function stream()
    {
        if ($this->pair === null) {
            $this->pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
            stream_set_blocking($this->pair[0], false);
            stream_set_blocking($this->pair[1], false);
        }
        return $this->pair[0];
    }

    private function capture(int $signal): void
    {
        if (!function_exists('pcntl_signal')) {
            return;
        }
        $holder = self::handler($signal, $this->before[$signal] ?? SIG_DFL);
        if ($holder !== $this->arrive) {
            $this->before[$signal] = $holder;
            pcntl_signal($signal, $this->arrive);
        }
    }

    /**
     * Whose a signal is; what is $assumed where ext-pcntl does not tell: of realtime signals.
     */
    private static function handler(int $signal, mixed $assumed): mixed
    {
        return $signal < Signal::RTMIN ? pcntl_signal_get_handler($signal) : $assumed;
    }

    /**
     * Nobody wants this signal any more, nor those that have arrived.
     */
    private function forget(int $signal): void
    {
        unset($this->handlers[$signal], $this->kept[$signal]);
        while ($this->take([$signal]) !== null) {
            continue;
        }
    }

    private function arrive(int $signal, mixed $info): void
    {
        $this->note($signal, $info);
        $this->run();
    }

    private function note(int $signal, mixed $info): void
    {
        $this->adopt();
        $this->arrived++;
        $count = ($this->last[$signal]->count ?? 0) + 1;
        $arrived = SignalInfo::of($signal, Numbers::name($signal), $count, $info);
        $this->last[$signal] = $arrived;
        $hasHandler = isset($this->handlers[$signal]);
        $isWanted = $hasHandler || isset($this->kept[$signal]) || in_array($signal, $this->awaited, true);
        if ($isWanted) {
            $this->inbox[] = $arrived;
        }
        $isStop = in_array($signal, self::STOP, true) && !$hasHandler;
        if ($this->pair !== null) {
            @fwrite($this->pair[1], '!');
        }
        if ($isStop && ($this->armed ? ++$this->stops >= self::FORCE_STOP : !$isWanted)) {
            $this->leave($signal, $info);
        }
    }

    /**
     * A stop signal has the effect that it has without us: in a child, of what adopt() has put back.
     */
    private function leave(int $signal, mixed $info): void
    {
        $holder = self::handler($signal, $this->arrive);
        if ($holder !== $this->arrive && is_callable($holder)) {
            $holder($signal, $info); // ext-pcntl would keep one that is sent now until another comes
            return;
        }
        $holder === $this->arrive && pcntl_signal($signal, SIG_DFL);
        posix_kill(getmypid(), $signal);
    }

    /**
     * The next one whose handler may be called now.
     */
    private function next(): ?SignalInfo
    {
        $delayed = array_merge(...array_map(static fn (?array $signals): array => $signals ?? [], $this->delays));
        if (in_array(null, $this->delays, true)) {
            return null;
        }
        return $this->take(array_values(array_diff(array_keys($this->handlers), $delayed)));
    }
}
