<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Sidecar;

use RustDaemon\Laravel\InvalidConfiguration;

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
    private const PATHS = ['cwd', 'env_file', 'control', 'log'];

    /** @var array<string, array<string, mixed>> */
    private array $pools = [];

    /**
     * @param callable(string): bool $isCommand whether artisan has a command of this name
     */
    public function __construct(private readonly Origin $origin, private readonly mixed $isCommand)
    {
    }

    /**
     * Adds a pool of config/rustdaemon.php.
     *
     * @throws InvalidConfiguration
     */
    public function addPool(string $name, mixed $pool): void
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
        unset($pool['artisan']);
        $this->pools[$name] = ['cwd' => $this->origin->path, ...$this->values($pool)];
    }

    /**
     * Adds the one pool that a command line asks for.
     *
     * @param list<string> $words
     * @throws InvalidConfiguration
     */
    public function addCommand(array $words): void
    {
        $command = $this->command($words, 'rustdaemon:run', true);
        $this->pools['main'] = ['cwd' => $this->origin->path, 'command' => $command];
    }

    /**
     * @param array<string, mixed> $options of config/rustdaemon.php, for the sidecar itself
     * @param array<string, mixed> $top what is stronger
     * @return string JSON
     */
    public function json(array $options, array $top): string
    {
        $owner = (int) @fileowner("{$this->origin->path}/artisan");
        $isTrusted = $owner === 0 || $owner === fileowner('/proc/self'); // whoever owns the script could run anything
        $all = $isTrusted ? [] : ['directory_owner' => (string) $owner];
        $all = [...$all, ...$this->values($options), ...$top, 'pool' => $this->pools];
        return json_encode($all, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE
            | JSON_PRESERVE_ZERO_FRACTION | JSON_PRETTY_PRINT);
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
        if (!($this->isCommand)($words[0])) {
            throw new InvalidConfiguration("$at: artisan has no command \"$words[0]\"");
        }
        if ($isLinked && !extension_loaded('rustdaemon')) {
            throw new InvalidConfiguration("$at: a worker needs the extension, which is not loaded: put "
                . 'extension=rustdaemon.so into php.ini, or say php -d extension=rustdaemon.so artisan rustdaemon:run');
        }
        return [...$this->origin->php, "{$this->origin->path}/artisan", ...$words];
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
                $values[$key] = str_starts_with($value, '/') ? $value : "{$this->origin->path}/$value";
            }
        }
        return $values;
    }
}
