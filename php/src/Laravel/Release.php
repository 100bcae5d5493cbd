<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

/**
 * The directory of this application: it may be one of several releases, which a deploy makes, and removes some day,
 * while the daemon goes on.
 *
 * Deployer, Envoyer, Capistrano and the like keep `releases/20261127`, a symlink `current` to the newest one, and
 * mostly a directory `shared`, to which `storage` is a symlink in each release. PHP knows the release alone: it has
 * resolved `current` before the first line of artisan.
 *
 * @internal
 */
final class Release
{
    /** The longest path that a socket can have, in bytes: unix(7). */
    private const LONGEST = 107;

    private readonly string $real;

    /**
     * @param string $base as Laravel has it: the root directory is the empty text
     * @param string|null $way another path of the same directory, which leads to the next release when that is current
     */
    public function __construct(private readonly string $base, private readonly ?string $way = null)
    {
        $this->real = $base === '' ? '' : (realpath($base) ?: $base); // realpath('') is the working directory
    }

    /**
     * What this path is in each release, such as a program: through the symlink to the current one.
     *
     * @param string $path absolute; one that does not lie in the application is not changed, nor where no way is known
     */
    public function current(string $path): string
    {
        $isOurs = $this->way !== null && ($path === $this->base || str_starts_with($path, "$this->base/"));
        return $isOurs ? $this->way . substr($path, strlen($this->base)) : $path;
    }

    /**
     * What this path is whichever release is current, such as a socket: where the releases share its directory, there.
     *
     * @param string $path absolute; one that lies in the release alone is not changed, nor where there are no releases,
     * nor one that would become too long for a socket
     */
    public function shared(string $path): string
    {
        $isOurs = $this->isRelease() && str_starts_with($path, "$this->base/");
        $directory = $isOurs ? realpath(dirname($path)) : false;
        $shared = "$directory/" . basename($path);
        return $directory === false || $this->has($directory) || strlen($shared) > self::LONGEST ? $path : $shared;
    }

    /**
     * Why the next release will not find a socket; null: it will, as far as can be seen.
     *
     * @param string $socket absolute
     * @param string $key of config/rustdaemon.php, which names it
     * @param string $way how it is set to another
     */
    public function warning(
        string $socket,
        string $key = 'socket',
        string $way = 'RUSTDAEMON_SOCKET_PATH',
    ): ?string {
        $isLost = $this->isRelease() && $this->has((string) realpath(dirname($socket)));
        return $isLost ? "$key: $socket lies in one release, and the next one looks for it in its own directory: "
            . "share storage between the releases, or set $way to a path outside of them" : null;
    }

    /**
     * Whether a directory, without symlinks, lies in a release beside this one.
     */
    public function isAnothers(string $directory): bool
    {
        $releases = dirname($this->real) . '/';
        return $this->isRelease() && str_starts_with($directory, $releases) && !$this->has($directory);
    }

    private function isRelease(): bool
    {
        return basename(dirname($this->real)) === 'releases';
    }

    private function has(string $directory): bool
    {
        return str_starts_with("$directory/", "$this->real/");
    }
}
