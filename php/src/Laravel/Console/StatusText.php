<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Console;

/**
 * The answer of `daemon.status` as `rustdaemon status` prints it.
 *
 * @internal
 */
final class StatusText
{
    private const HEADS = ['WORKER', 'STATE', 'FOR', 'PID', 'SERVED', 'RESTARTS', 'MEMORY'];

    /**
     * A line for each worker, and its notes below.
     *
     * @param array<string, mixed> $status
     * @param float $now Unix time
     * @return list<string>
     */
    public static function lines(array $status, float $now): array
    {
        $lines = [sprintf(
            'rustdaemon %s  pid %d  %s for %s  %s',
            $status['version'],
            $status['pid'],
            $status['state'],
            self::span($status['uptime']),
            $status['socket'],
        )];
        foreach ($status['pools'] as $pool) {
            array_push($lines, ...self::pool($pool));
        }
        $rows = self::columns([self::HEADS, ...array_map(self::row(...), $status['workers'])]);
        array_push($lines, '', array_shift($rows));
        foreach ($status['workers'] as $n => $worker) {
            array_push($lines, $rows[$n], ...self::notes($worker, $now));
        }
        return $lines;
    }

    /**
     * @param array<string, mixed> $pool
     * @return array{string, string}
     */
    private static function pool(array $pool): array
    {
        $unlinked = $pool['link'] ? '' : '  (without a link)';
        $next = empty($pool['reloading']) ? '' : ' (the next one is being started)';
        return [
            "{$pool['name']}: " . implode(' ', $pool['command']) . $unlinked,
            "{$pool['name']}: generation {$pool['generation']}$next, {$pool['accepted']} requests accepted, "
                . "{$pool['in_flight']} in flight, {$pool['waiting']} waiting",
        ];
    }

    /**
     * @param array<string, mixed> $worker
     * @return list<string>
     */
    private static function row(array $worker): array
    {
        $for = self::span($worker['since']);
        if (isset($worker['request_age'])) {
            $for .= ', this request ' . self::span($worker['request_age']);
        }
        return [
            $worker['name'],
            $worker['state'],
            $for,
            (string) ($worker['pid'] ?? '-'),
            (string) $worker['served'],
            (string) $worker['restarts'],
            isset($worker['memory']) ? sprintf('%.1f MiB', $worker['memory'] / (1 << 20)) : '-',
        ];
    }

    /**
     * What it is doing, what is awaited, how the one before it ended.
     *
     * @param array<string, mixed> $worker
     * @return list<string>
     */
    private static function notes(array $worker, float $now): array
    {
        $notes = [];
        if (($worker['doing'] ?? 'idle') !== 'idle') {
            $notes[] = $worker['doing']
                . (isset($worker['doing_for']) ? ' ' . self::span($worker['doing_for']) : '')
                . (isset($worker['doing_what']) ? ": {$worker['doing_what']}" : '');
        }
        $deferred = $worker['deferred'] ?? 0;
        if ($deferred > 0) {
            $notes[] = $deferred === 1 ? '1 request is answered later' : "$deferred requests are answered later";
        }
        if (isset($worker['retry_in'])) {
            $notes[] = 'next start in ' . self::span($worker['retry_in']);
        }
        if (isset($worker['last_exit'])) {
            $at = $worker['last_exit_reason']['at'] ?? 0.0;
            $notes[] = 'last ended' . ($at > 0.0 ? ' ' . self::span($now - $at) . ' ago' : '')
                . ": {$worker['last_exit']}";
            $said = $worker['last_exit_reason']['log'] ?? [];
            if ($said !== [] && in_array($worker['state'], ['parked', 'backoff', 'starting'], true)) {
                $notes[] = 'its last line: ' . end($said);
            }
        }
        if (($worker['signals_taken'] ?? []) !== []) {
            $notes[] = 'its script handles ' . implode(', ', $worker['signals_taken']) . ' itself';
        }
        if (isset($worker['blind'])) {
            $notes[] = $worker['blind'];
        }
        return array_map(static fn (string $note): string => "    $note", $notes);
    }

    private static function span(float $seconds): string
    {
        $seconds = max(0.0, $seconds);
        $whole = (int) $seconds;
        [$minutes, $hours, $days] = [intdiv($whole, 60), intdiv($whole, 3600), intdiv($whole, 86400)];
        return match (true) {
            $whole === 0 => sprintf('%.1f s', $seconds),
            $whole < 120 => "$whole s",
            $whole < 7200 => "$minutes min",
            $whole < 172800 => "$hours h " . $minutes % 60 . ' min',
            default => "$days d " . $hours % 24 . ' h',
        };
    }

    /**
     * @param list<list<string>> $rows
     * @return list<string>
     */
    private static function columns(array $rows): array
    {
        $widths = array_map(static fn (int $n): int
            => max(array_map('strlen', array_column($rows, $n))), array_keys($rows[0]));
        $line = static fn (array $row): string
            => ' ' . rtrim(implode('  ', array_map(str_pad(...), $row, $widths)));
        return array_map($line, $rows);
    }
}
