<?php

declare(strict_types=1);

namespace RustDaemon;

use RustDaemon\Exception\InvalidArgument;
use RustDaemon\Exception\NotAllowedHere;
use RustDaemon\Exception\SystemCallFailed;
use RustDaemon\Internal\Numbers;
use RustDaemon\Internal\Signals;
use RustDaemon\Internal\Unique;

/**
 * The extension's Lock on flock(2): a lock with a name, one process of this user has it at a time.
 *
 * It lies in a file below sys_get_temp_dir(), and does not meet the extension's locks of the same name. A child by
 * fork does not hold it, but as long as the child lives the end of its parent does not give it back; release() does.
 */
final class Lock
{
    use Unique;

    private const PAUSE_SECONDS = 0.01;

    /** @var array<string, array{resource, int}> the open file of what this process holds, and its pid */
    private static array $held = [];
    /** @var array<string, bool> */
    private static array $recovered = [];

    private function __construct(private readonly string $name, private readonly string $path)
    {
    }

    public static function open(string $name): Lock
    {
        if (!preg_match('/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/D', $name)) {
            throw new InvalidArgument("name: \"$name\" is not possible: 1 to 100 of the characters a-z A-Z 0-9 . _ - "
                . 'and no dot at the beginning');
        }
        $user = function_exists('posix_geteuid') ? posix_geteuid() : getmyuid();
        $directory = sys_get_temp_dir() . "/rustdaemon-$user";
        is_dir($directory) || @mkdir($directory, 0700); // another process may make it at the same time
        if (!is_dir($directory) || is_link($directory) || fileowner($directory) !== $user) {
            throw new SystemCallFailed("$directory is not a directory of uid $user, so no lock can lie in it");
        }
        return new self($name, "$directory/$name.lock");
    }

    public function acquire(?float $timeout = null): bool
    {
        $until = Numbers::deadline($timeout);
        if ($this->isMine()) {
            throw new NotAllowedHere("this process holds the lock \"$this->name\" already: release() it before it is "
                . 'acquired again');
        }
        $file = @fopen($this->path, 'c+e'); // no program that is started here holds the lock
        if ($file === false) {
            throw new SystemCallFailed("$this->path cannot be opened: " . (error_get_last()['message'] ?? ''));
        }
        while (!flock($file, LOCK_EX | LOCK_NB)) {
            if (($until !== null && hrtime(true) >= $until) || Signals::get()->stopRequested()) {
                return false;
            }
            $pause = hrtime(true) + (int) (self::PAUSE_SECONDS * 1e9);
            Signals::get()->sleep(min($until ?? $pause, $pause));
        }
        self::$recovered[$this->name] = trim((string) stream_get_contents($file)) !== '';
        $this->write($file, getmypid() . "\n");
        self::$held[$this->name] = [$file, getmypid()];
        return true;
    }

    public function release(): void
    {
        if (!$this->isMine()) {
            throw new NotAllowedHere("this process does not hold the lock \"$this->name\": only who has acquired it "
                . 'releases it');
        }
        [$file] = self::$held[$this->name];
        unset(self::$held[$this->name]);
        $this->write($file, '');
        flock($file, LOCK_UN);
    }

    public function recovered(): bool
    {
        return self::$recovered[$this->name] ?? false;
    }

    public function holder(): ?int
    {
        $pid = is_file($this->path) ? (int) @file_get_contents($this->path) : 0;
        $lives = $pid > 0 && (!function_exists('posix_kill') || posix_kill($pid, 0) || posix_get_last_error() === 1);
        return $lives ? $pid : null;
    }

    private function isMine(): bool
    {
        return (self::$held[$this->name][1] ?? null) === getmypid();
    }

    /**
     * @param resource $file
     */
    private function write($file, string $holder): void
    {
        ftruncate($file, 0);
        rewind($file);
        fwrite($file, $holder);
        fflush($file);
    }
}
