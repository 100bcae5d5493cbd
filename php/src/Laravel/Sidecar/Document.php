<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Sidecar;

use JsonException;
use RustDaemon\Laravel\InvalidConfiguration;
use Symfony\Component\Console\Application as Artisan;

/**
 * The sidecar's configuration, made of config/rustdaemon.php.
 *
 * Pools and options have the sidecar's own keys, and it is the sidecar that checks them: what is changed here is only
 * what artisan adds, and what env() cannot say.
 *
 * @internal
 */
final class Document
{
    /**
     * What is a number there and may be text here, as env() gives it.
     */
    private const NUMBERS = [
        'workers', 'nice', 'oom_score_adj', 'limit_nofile', 'queue', 'prefetch', 'max_bound', 'max_requests', 'jitter',
        'start_limit', 'max_connections', 'flat_requests',
    ];

    /**
     * Paths, which are relative to the application.
     */
    private const PATHS = ['cwd', 'env_file', 'log'];

    /** The sidecar's keys that are called otherwise in config/rustdaemon.php. */
    private const OURS = ['pool' => 'pools', 'token_fd' => 'token'];

    /**
     * stop_timeout of a pool that does not say it.
     */
    private const STOP_SECONDS = 8.0;

    private const UNITS = ['ms' => 0.001, 's' => 1, 'm' => 60, 'h' => 3600];

    /** @var array<string, array<string, mixed>> */
    private array $pools = [];
    private string $name = 'rustdaemon';
    private bool $isLinked = false;

    /**
     * @param string $command the artisan command that asks, for what it is told
     * @param Artisan $artisan has the commands
     * @param string|null $environment that of --env, which workers are to have too
     */
    public function __construct(
        private readonly string $command,
        private readonly Origin $origin,
        private readonly Artisan $artisan,
        private readonly ?string $environment,
    ) {
    }

    /**
     * Adds what is to be run.
     *
     * @param list<string> $words names of pools, or one artisan command with its arguments; none: all pools
     * @param array<string, mixed> $pools of config/rustdaemon.php
     * @throws InvalidConfiguration
     */
    public function add(array $words, array $pools): void
    {
        if ($words !== [] && !isset($pools[$words[0]])) {
            $this->addCommand($words);
            return;
        }
        if ($pools === []) {
            throw new InvalidConfiguration('config/rustdaemon.php: pools: there is none; say which command is to run, '
                . "such as artisan $this->command opcua:session");
        }
        foreach ($words === [] ? array_keys($pools) : $words as $name) {
            if (!isset($pools[$name])) {
                throw new InvalidConfiguration("config/rustdaemon.php: pools: there is no \"$name\"; there is "
                    . implode(', ', array_keys($pools)));
            }
            $this->addPool($name, $pools[$name]);
        }
        $this->name = implode('-', ['rustdaemon', ...$words]);
    }

    /**
     * What a file is called that it is kept in.
     */
    public function name(): string
    {
        return $this->name;
    }

    /**
     * Whether there are workers in it that speak with the sidecar: these need the extension.
     */
    public function isLinked(): bool
    {
        return $this->isLinked;
    }

    /**
     * The longest time that a pool may take to stop, in seconds.
     */
    public function stopSeconds(): float
    {
        $seconds = static function (array $pool): float {
            $isTime = preg_match('/^([\d.]+)\s*(ms|s|m|h)$/D', (string) ($pool['stop_timeout'] ?? ''), $found) === 1;
            return $isTime ? $found[1] * self::UNITS[$found[2]] : self::STOP_SECONDS;
        };
        return max(self::STOP_SECONDS, ...array_values(array_map($seconds, $this->pools)));
    }

    private function addPool(string $name, mixed $pool): void
    {
        $at = "config/rustdaemon.php: pools.$name";
        if (!is_array($pool)) {
            throw new InvalidConfiguration("$at: is no array, such as ['artisan' => 'opcua:session']");
        }
        $pool = array_filter($pool, static fn (mixed $value): bool => $value !== null);
        if (isset($pool['artisan']) === isset($pool['command'])) {
            $has = isset($pool['artisan']) ? 'both' : 'neither';
            throw new InvalidConfiguration("$at: artisan is a command of this application, command a list of a program "
                . "and its arguments; one of them is wanted, and $has is there");
        }
        if (isset($pool['artisan'])) {
            $words = $this->words($pool['artisan'], "$at.artisan");
            $pool['command'] = $this->command($words, "$at.artisan", ($pool['link'] ?? true) !== false);
        }
        if (!isset($pool['artisan']) && is_array($pool['command'])) {
            $last = fn (mixed $word): mixed => is_string($word) ? $this->origin->release->current($word) : $word;
            $pool['command'] = array_map($last, $pool['command']);
        }
        unset($pool['artisan']);
        $this->pools[$name] = ['cwd' => $this->origin->path, ...$this->values($pool)];
    }

    /**
     * @param list<string> $words
     */
    private function addCommand(array $words): void
    {
        $command = $this->command($words, $this->command, true);
        $this->pools['main'] = ['cwd' => $this->origin->path, 'command' => $command];
        $this->name = 'rustdaemon-' . preg_replace('/[^A-Za-z0-9._-]/', '_', $words[0]);
    }

    /**
     * @param array<string, mixed> $options of config/rustdaemon.php, for the sidecar itself; an absolute control
     * @param array<string, mixed> $top what is stronger
     * @return string JSON
     * @throws InvalidConfiguration an option that stands elsewhere, or some text is no UTF-8
     */
    public function json(array $options, array $top): string
    {
        $owner = (int) @fileowner("{$this->origin->path}/artisan");
        $isTrusted = $owner === 0 || $owner === fileowner('/proc/self'); // whoever owns the script could run anything
        $all = $isTrusted ? [] : ['directory_owner' => (string) $owner];
        $top += ['pool' => $this->pools];
        $options = $this->values($options);
        foreach (array_keys(array_intersect_key($options, $top)) as $key) {
            $ours = self::OURS[$key] ?? $key;
            throw new InvalidConfiguration("config/rustdaemon.php: options.$key: stands at the top of the file, as "
                . "\"$ours\"");
        }
        $all = [...$all, ...$options, ...$top];
        $flags = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_PRESERVE_ZERO_FRACTION | JSON_PRETTY_PRINT;
        try {
            return json_encode($all, $flags | JSON_THROW_ON_ERROR);
        } catch (JsonException $why) {
            throw new InvalidConfiguration("config/rustdaemon.php: pools, options: {$why->getMessage()}", 0, $why);
        }
    }

    /**
     * @return list<string>
     */
    private function words(mixed $artisan, string $at): array
    {
        $words = is_string($artisan) ? preg_split('/\s+/', trim($artisan)) : $artisan;
        $isList = is_array($words) && array_is_list($words) && array_filter($words, is_string(...)) === $words;
        if (!$isList || ($words[0] ?? '') === '' || (is_string($artisan) && preg_match('/["\'\\\\]/', $artisan))) {
            throw new InvalidConfiguration("$at: is a text such as \"opcua:session --timeout=600\", or a list of "
                . 'words; with quotes, or spaces in a word, it is a list');
        }
        return $words;
    }

    /**
     * @param list<string> $words
     * @return list<string>
     */
    private function command(array $words, string $at, bool $isLinked): array
    {
        if (!$this->artisan->has($words[0])) {
            throw new InvalidConfiguration("$at: artisan has no command \"$words[0]\"");
        }
        $this->isLinked = $this->isLinked || $isLinked;
        $environment = $this->environment === null ? [] : ["--env=$this->environment"];
        return [...$this->origin->php, "{$this->origin->path}/artisan", $words[0], ...$environment,
            ...array_slice($words, 1)];
    }

    /**
     * @param array<string, mixed> $values
     * @return array<string, mixed>
     */
    private function values(array $values): array
    {
        $values = array_filter($values, static fn (mixed $value): bool => !in_array($value, [null, []], true));
        foreach ($values as $key => $value) {
            if (in_array($key, self::NUMBERS, true) && is_string($value) && is_numeric($value)) {
                $values[$key] = $value + 0;
            }
            if (in_array($key, self::PATHS, true) && is_string($value) && $value !== 'forward') {
                $values[$key] = str_starts_with($value, '/')
                    ? $this->origin->release->current($value)
                    : "{$this->origin->path}/$value";
            }
        }
        return $values;
    }
}
