<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

use Illuminate\Contracts\Config\Repository;
use Illuminate\Contracts\Foundation\Application;
use RustDaemon\Exception\InvalidArgument;
use RustDaemon\Internal\Settings as WorkerSettings;
use SensitiveParameter;

/**
 * What config/rustdaemon.php says, and what is stronger than that; checked when it is asked for: a key that nobody
 * needs now is nobody's error.
 *
 * Numbers may be text, as env() gives them. An empty text is null, except as a token: who leaves that empty by mistake
 * would have opened the socket to everybody.
 *
 * @internal
 */
final class Settings
{
    private const FILE = 'config/rustdaemon.php: ';

    private const DEFAULTS = __DIR__ . '/../../config/rustdaemon.php';

    private const KEYS = [
        'socket', 'socket_mode', 'token', 'timeout', 'sidecar', 'log_channel', 'cache_store', 'pools', 'options',
        'on_fork', 'maintenance',
    ];

    /** Those of a command's own: RunsAsWorker::workerDefaults(). */
    private const WORKER_KEYS = ['name', 'socket', 'socket_mode', 'token', 'workers', 'log_channel', 'cache_store'];

    /**
     * @param array<string, mixed> $values
     * @param array<string, string> $sources by key: how a sentence about a value begins that is not the file's
     * @param array<string, true> $typed the keys that somebody has typed
     */
    private function __construct(
        private readonly Repository $config,
        private readonly string $base,
        private readonly array $values,
        private readonly array $sources = [],
        private readonly array $typed = [],
    ) {
    }

    /**
     * @throws InvalidConfiguration
     */
    public static function of(Application $app): self
    {
        $config = $app->make('config');
        // Null: the configuration was cached before the package was there.
        $values = $config->get('rustdaemon') ?? require self::DEFAULTS;
        is_array($values) || throw new InvalidConfiguration('config/rustdaemon.php does not return an array');
        self::know($values, self::KEYS, self::FILE);
        return new self($config, $app->basePath(), $values);
    }

    /**
     * Values that are stronger.
     *
     * @param array<string, mixed> $values
     * @param string $source where they come from
     * @throws InvalidConfiguration
     */
    public function with(array $values, string $source): self
    {
        self::know($values, self::WORKER_KEYS, "$source: ");
        $sources = array_map(static fn (): string => "$source: ", $values);
        foreach (array_keys($sources) as $key) {
            $sources[$key] .= "$key: ";
        }
        return new self($this->config, $this->base, $values + $this->values, $sources + $this->sources);
    }

    /**
     * Options of a command line, which are the strongest.
     *
     * @param array<string, string> $values
     */
    public function typed(array $values): self
    {
        $sources = [];
        foreach ($values as $key => $value) {
            $sources[$key] = '--' . strtr($key, '_', '-') . "=$value: ";
        }
        $typed = array_map(static fn (): bool => true, $values);
        return new self($this->config, $this->base, $values + $this->values, $sources + $this->sources, $typed);
    }

    /**
     * Where the client asks: an absolute path, or tcp://. All releases that share their storage ask at the same.
     *
     * @throws InvalidConfiguration
     */
    public function endpoint(): string
    {
        $socket = $this->text('socket') ?? throw $this->wrong('socket', 'is not set; give the path of a Unix socket');
        if (str_starts_with($socket, 'tcp://')) {
            return $socket;
        }
        $path = preg_replace('~^unix://~', '', $socket);
        if (preg_match('~^[A-Za-z][A-Za-z0-9+.-]*:~', $path)) {
            throw $this->wrong('socket', 'is no path of a Unix socket, and no tcp://address:port');
        }
        return $this->absolute($path);
    }

    /**
     * Where orders to the daemon go; null: where all else goes.
     *
     * @return string|null an absolute path: `control` of `options`
     * @throws InvalidConfiguration
     */
    public function control(): ?string
    {
        $path = $this->options()['control'] ?? null;
        return is_string($path) ? $this->absolute($path) : null; // the sidecar says what is wrong with it
    }

    /**
     * Where a sidecar may listen.
     *
     * @throws InvalidConfiguration
     */
    public function socket(): string
    {
        $path = $this->endpoint();
        $this->check('socket', socket: $path);
        return $path;
    }

    /**
     * @return string octal
     * @throws InvalidConfiguration
     */
    public function socketMode(): string
    {
        $mode = $this->values['socket_mode'] ?? '0600';
        is_string($mode) || is_int($mode) || throw $this->wrong('socket_mode', 'is no octal mode such as "0660"');
        $this->check('socket_mode', mode: $mode);
        return is_int($mode) ? sprintf('0%o', $mode) : $mode;
    }

    /**
     * @throws InvalidConfiguration
     */
    public function token(): ?string
    {
        $token = $this->values['token'] ?? null;
        $token === null || is_string($token) || throw $this->wrong('token', 'is no text; a token has 1 to 4096 bytes');
        $this->check('token', token: $token);
        return $token;
    }

    /**
     * How long a call of the client may take, in seconds; null, or empty: as long as it takes.
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
            throw $this->wrong('timeout', 'is no number of seconds greater than 0');
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
     * The pools of artisan rustdaemon:run, by name; what they are is the sidecar's to judge.
     *
     * @return array<string, mixed>
     * @throws InvalidConfiguration
     */
    public function pools(): array
    {
        return $this->table('pools', 'is no array of pools by their names');
    }

    /**
     * What else the sidecar is to be told.
     *
     * @return array<string, mixed>
     * @throws InvalidConfiguration
     */
    public function options(): array
    {
        return $this->table('options', 'is no array of the sidecar\'s own keys');
    }

    /**
     * The default channel of workers; null: the application's.
     *
     * @throws InvalidConfiguration
     */
    public function logChannel(): ?string
    {
        return $this->oneOf('log_channel', 'logging.channels', 'config/logging.php');
    }

    /**
     * The default store of workers; null: the application's.
     *
     * @throws InvalidConfiguration
     */
    public function cacheStore(): ?string
    {
        return $this->oneOf('cache_store', 'cache.stores', 'config/cache.php');
    }

    /**
     * The arguments of Worker::install(), by name.
     *
     * @param bool $isSupervised by a sidecar that has started this process: of what is its business, only what somebody
     * has typed is named to it, so that it can say where it differs
     * @return array<string, mixed>
     * @throws InvalidConfiguration
     */
    public function install(bool $isSupervised): array
    {
        if ($isSupervised) {
            $socket = isset($this->typed['socket']) ? ['socket' => $this->socket()] : [];
            return isset($this->typed['socket_mode']) ? [...$socket, 'mode' => $this->socketMode()] : $socket;
        }
        [$socket, $mode, $token] = [$this->socket(), $this->socketMode(), $this->token()];
        $name = $this->text('name');
        $workers = $this->values['workers'] ?? 1;
        is_int($workers) || throw $this->wrong('workers', 'is no number from 1 to 1024');
        $this->check('name', name: $name);
        $this->check('workers', workers: $workers);
        return ['name' => $name, 'socket' => $socket, 'mode' => $mode, 'token' => $token, 'workers' => $workers];
    }

    /**
     * What a child of Process::fork() gives up first.
     *
     * @return list<string> of ForkResets::NAMES, and classes that can be called
     * @throws InvalidConfiguration
     */
    public function onFork(): array
    {
        $resets = $this->values['on_fork'] ?? [];
        is_array($resets) || throw $this->wrong('on_fork', 'is no list');
        foreach ($resets as $reset) {
            $isKnown = is_string($reset)
                && (in_array($reset, ForkResets::NAMES, true) || method_exists($reset, '__invoke'));
            $isKnown || throw $this->wrong('on_fork', 'may name ' . implode(', ', ForkResets::NAMES)
                . ' and classes with a method __invoke() only');
        }
        return array_values($resets);
    }

    /**
     * Whether pools pause while the application is down.
     *
     * @throws InvalidConfiguration
     */
    public function pausesInMaintenance(): bool
    {
        return filter_var($this->maintenance()['pause'] ?? false, FILTER_VALIDATE_BOOL);
    }

    /**
     * The pools that go on all the same.
     *
     * @return list<string>
     * @throws InvalidConfiguration
     */
    public function goOnInMaintenance(): array
    {
        return array_values($this->maintenance()['except'] ?? []);
    }

    /**
     * @return array{pause?: mixed, except?: array<string>}
     * @throws InvalidConfiguration
     */
    private function maintenance(): array
    {
        $values = $this->values['maintenance'] ?? [];
        $isRight = is_array($values) && array_diff_key($values, ['pause' => true, 'except' => true]) === []
            && filter_var($values['pause'] ?? false, FILTER_VALIDATE_BOOL, FILTER_NULL_ON_FAILURE) !== null
            && is_array($values['except'] ?? [])
            && array_filter($values['except'] ?? [], is_string(...)) === ($values['except'] ?? []);
        $isRight || throw $this->wrong('maintenance', 'is not possible: give ["pause" => true or false, '
            . '"except" => [names of pools]]');
        return $values;
    }

    /**
     * @param array<mixed> $values
     * @param list<string> $keys
     * @throws InvalidConfiguration
     */
    private static function know(array $values, array $keys, string $source): void
    {
        $unknown = implode(', ', array_diff(array_keys($values), $keys));
        $unknown === '' || throw new InvalidConfiguration("$source$unknown: is not known; there is "
            . implode(', ', $keys));
    }

    /**
     * Whatever Worker::install() would refuse, in its words.
     *
     * @throws InvalidConfiguration
     */
    private function check(
        string $key,
        ?string $name = null,
        ?string $socket = null,
        int|string $mode = 0600,
        #[SensitiveParameter] ?string $token = null,
        int $workers = 1,
    ): void {
        try {
            WorkerSettings::check($name, $socket, $mode, $token, $workers);
        } catch (InvalidArgument $why) {
            $named = fn (): string => $this->source($key); // in the place of the argument's name
            throw new InvalidConfiguration(preg_replace_callback('/^\w+: /', $named, $why->getMessage()));
        }
    }

    private function absolute(string $path): string
    {
        $path = str_starts_with($path, '/') ? $path : "$this->base/$path"; // under php-fpm we are in public/
        return (new Release($this->base))->shared($path);
    }

    private function text(string $key): ?string
    {
        $value = $this->values[$key] ?? null;
        $value === null || is_string($value) || throw $this->wrong($key, 'is no text');
        return $value === '' ? null : $value;
    }

    /**
     * @return array<string, mixed>
     */
    private function table(string $key, string $why): array
    {
        $table = $this->values[$key] ?? [];
        $isTable = is_array($table) && array_filter(array_keys($table), is_string(...)) === array_keys($table);
        return $isTable ? $table : throw $this->wrong($key, $why);
    }

    private function oneOf(string $key, string $table, string $file): ?string
    {
        $name = $this->text($key);
        $known = (array) $this->config->get($table, []);
        if ($name === null || is_array($known[$name] ?? null)) {
            return $name;
        }
        throw $this->wrong($key, "is not in $file, which has " . implode(', ', array_keys($known)));
    }

    private function wrong(string $key, string $why): InvalidConfiguration
    {
        $value = $this->values[$key] ?? null;
        $isHidden = isset($this->typed[$key]) || in_array($value, [null, ''], true) || $key === 'token';
        $flags = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_PARTIAL_OUTPUT_ON_ERROR;
        $shown = $isHidden ? '' : json_encode($value, $flags) . ' ';
        return new InvalidConfiguration($this->source($key) . $shown . $why);
    }

    private function source(string $key): string
    {
        return $this->sources[$key] ?? self::FILE . "$key: ";
    }
}
