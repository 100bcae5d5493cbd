<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

use Illuminate\Contracts\Container\Container;
use RustDaemon\Exception\InvalidArgument;
use RustDaemon\Internal\Settings as WorkerSettings;
use SensitiveParameter;

/**
 * What config/rustdaemon.php says, checked when it is asked for: a key that nobody needs now is nobody's error.
 *
 * Numbers may be text, as env() gives them. An empty text is null, except as a token: who leaves that empty by mistake
 * would have opened the socket to everybody.
 *
 * @internal
 */
final class Settings
{
    private const FILE = 'config/rustdaemon.php';

    /**
     * @param array<mixed> $values
     */
    private function __construct(private readonly array $values, private readonly string $base)
    {
    }

    /**
     * @throws InvalidConfiguration
     */
    public static function of(Container $app): self
    {
        $values = $app->make('config')->get('rustdaemon');
        if (!is_array($values)) {
            throw new InvalidConfiguration(self::FILE . ' does not return an array');
        }
        return new self($values, $app->basePath());
    }

    /**
     * Where the client asks: an absolute path, or tcp://.
     *
     * @throws InvalidConfiguration
     */
    public function endpoint(): string
    {
        $socket = $this->text('socket') ?? throw $this->wrong('socket', null, 'the path of a Unix socket');
        if (str_starts_with($socket, 'tcp://')) {
            return $socket;
        }
        $path = preg_replace('~^unix://~', '', $socket);
        return str_starts_with($path, '/') ? $path : "$this->base/$path"; // under php-fpm we are in public/
    }

    /**
     * Where a sidecar may listen.
     *
     * @throws InvalidConfiguration
     */
    public function socket(): string
    {
        $path = $this->endpoint();
        self::check('socket', socket: $path);
        return $path;
    }

    /**
     * @return string octal
     * @throws InvalidConfiguration
     */
    public function socketMode(): string
    {
        $mode = $this->values['socket_mode'] ?? '0600';
        if (!is_string($mode) && !is_int($mode)) {
            throw $this->wrong('socket_mode', $mode, 'an octal mode such as "0660"');
        }
        self::check('socket_mode', mode: $mode);
        return is_int($mode) ? sprintf('0%o', $mode) : $mode;
    }

    /**
     * @throws InvalidConfiguration
     */
    public function token(): ?string
    {
        $token = $this->values['token'] ?? null;
        if ($token !== null && !is_string($token)) {
            throw new InvalidConfiguration(self::FILE . ': token: is no text; a token has 1 to 4096 bytes');
        }
        self::check('token', token: $token);
        return $token;
    }

    /**
     * How long a call of the client may take, in seconds; null: as long as it takes.
     *
     * @throws InvalidConfiguration
     */
    public function timeout(): ?float
    {
        $seconds = $this->values['timeout'] ?? null;
        if ($seconds === null || $seconds === '') {
            return null;
        }
        if (!is_numeric($seconds) || !is_finite((float) $seconds) || $seconds <= 0) {
            throw $this->wrong('timeout', $seconds, 'a number of seconds greater than 0, or null to wait for ever');
        }
        return (float) $seconds;
    }

    /**
     * The sidecar's binary; null: to be looked for.
     *
     * @throws InvalidConfiguration
     */
    public function sidecar(): ?string
    {
        return $this->text('sidecar');
    }

    /**
     * @throws InvalidConfiguration
     */
    public function logChannel(): ?string
    {
        return $this->text('log_channel');
    }

    /**
     * @throws InvalidConfiguration
     */
    public function cacheStore(): ?string
    {
        return $this->text('cache_store');
    }

    /**
     * Whatever Worker::install() would refuse, in its words.
     *
     * @throws InvalidConfiguration
     */
    private static function check(
        string $key,
        ?string $socket = null,
        int|string $mode = 0600,
        #[SensitiveParameter] ?string $token = null,
    ): void {
        try {
            WorkerSettings::check(null, $socket, $mode, $token, 1);
        } catch (InvalidArgument $why) {
            $sentence = preg_replace('/^\w+: /', '', $why->getMessage());
            throw new InvalidConfiguration(self::FILE . ": $key: $sentence");
        }
    }

    private function text(string $key): ?string
    {
        $value = $this->values[$key] ?? null;
        if ($value !== null && !is_string($value)) {
            throw $this->wrong($key, $value, 'a text, or null');
        }
        return $value === '' ? null : $value;
    }

    private function wrong(string $key, mixed $value, string $allowed): InvalidConfiguration
    {
        $shown = json_encode($value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE
            | JSON_PARTIAL_OUTPUT_ON_ERROR);
        return new InvalidConfiguration(self::FILE . ": $key: $shown is not possible: give $allowed");
    }
}
