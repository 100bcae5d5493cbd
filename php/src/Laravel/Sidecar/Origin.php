<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Sidecar;

use RustDaemon\Laravel\Release;

/**
 * How this process was started: what a worker is to be started with.
 *
 * It is read from /proc, because PHP keeps none of it: the words before the script are php's own, and the environment
 * has the values of .env by now, which would be stronger than a changed .env for ever.
 *
 * Sources: proc_pid_cmdline(5), proc_pid_environ(5).
 *
 * @internal
 */
final class Origin
{
    /**
     * @param list<string> $php the interpreter and its options
     * @param string $path the application's directory: it outlives the release that this is
     * @param Release $release the same directory, and what lies in it
     * @param array<string, string> $environment
     */
    private function __construct(
        public readonly array $php,
        public readonly string $path,
        public readonly Release $release,
        public readonly array $environment,
    ) {
    }

    /**
     * @param string $base the application's directory, without symlinks
     */
    public static function ofThisProcess(string $base): self
    {
        $environment = [];
        foreach (self::words('/proc/self/environ') as $word) {
            [$name, $value] = explode('=', $word, 2) + [1 => ''];
            $environment[$name] = $value;
        }
        $path = self::path($base);
        $release = new Release($base, $path);
        return new self(self::php(), $path, $release, $environment === [] ? getenv() : $environment);
    }

    /**
     * @return list<string>
     */
    private static function php(): array
    {
        $words = self::words('/proc/self/cmdline');
        $script = array_values($_SERVER['argv'] ?? []);
        $options = array_slice($words, 1, max(0, count($words) - count($script) - 1));
        $isAsItWas = $script !== [] && array_slice($words, count($options) + 1) === $script;
        return [PHP_BINARY, ...($isAsItWas ? $options : [])]; // a process title hides them
    }

    /**
     * What is to be started next year must go through the symlink that releases have: see Release.
     */
    private static function path(string $base): string
    {
        $typed = dirname($_SERVER['argv'][0] ?? '');
        $here = self::workingDirectory();
        $typed = rtrim(preg_replace('~/(\./)*\.?$~', '', str_starts_with($typed, '/') ? $typed : "$here/$typed"), '/');
        $current = dirname($base, 2) . '/current';
        $ways = basename(dirname($base)) === 'releases' ? [$typed, $here, $current] : [$typed, $here];
        foreach ($ways as $way) {
            if ($way !== $base && realpath($way) === $base && !str_contains($way, '/../')) {
                return $way;
            }
        }
        return $base;
    }

    /**
     * As the shell has it, symlinks and all; getcwd() has them resolved.
     */
    private static function workingDirectory(): string
    {
        $shells = rtrim((string) getenv('PWD'), '/');
        $ours = (string) getcwd();
        return str_starts_with($shells, '/') && realpath($shells) === $ours ? $shells : $ours;
    }

    /**
     * @return list<string>
     */
    private static function words(string $file): array
    {
        $text = (string) @file_get_contents($file);
        return $text === '' ? [] : explode("\0", substr($text, 0, -1));
    }
}
