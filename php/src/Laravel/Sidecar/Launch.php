<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Sidecar;

use RustDaemon\Internal\ExitCode;
use RustDaemon\Laravel\Console\Refusal;
use RustDaemon\Laravel\InvalidConfiguration;
use RustDaemon\Signal;
use RustDaemon\SignalInfo;
use SensitiveParameter;

/**
 * Has the sidecar check its configuration, and becomes it.
 *
 * The token goes by a descriptor: a command line and an environment can be read by others, and stay.
 *
 * @internal
 */
final class Launch
{
    /**
     * Signals that mean the sidecar, where it is our child: all that it knows.
     */
    private const FORWARDED = ['TERM', 'INT', 'QUIT', 'HUP', 'USR1', 'USR2'];

    private const TURN_SECONDS = 1.0;

    /**
     * @param string $binary the sidecar
     * @param list<string> $flags of `rustdaemon run`, besides --config
     */
    public function __construct(
        private readonly string $binary,
        private readonly Origin $origin,
        private readonly array $flags,
    ) {
    }

    /**
     * @param string $file where the configuration is kept: *.json
     * @param callable(?int): string $document the configuration, given the descriptor of the token
     * @return int the exit code, where this process could not become the sidecar
     * @throws InvalidConfiguration the sidecar refuses it
     * @throws Refusal
     */
    public function with(string $file, callable $document, #[SensitiveParameter] ?string $token): int
    {
        if (PHP_SAPI !== 'cli' || class_exists('PHPUnit\Framework\TestCase', false)) {
            throw Refusal::usage('rustdaemon:run replaces its process by the sidecar: it is not called from '
                . (PHP_SAPI === 'cli' ? 'a test' : 'a web request'));
        }
        $memory = $token === null ? null : self::file($token);
        $descriptor = $memory === null ? null : self::number($memory);
        $isReplaced = function_exists('pcntl_exec');
        if (!$isReplaced && !extension_loaded('rustdaemon')) {
            throw Refusal::usage('rustdaemon:run needs ext-pcntl or ext-rustdaemon, and neither is loaded');
        }
        self::keep($file, $document($descriptor));
        $this->check($file);
        $command = [$this->binary, 'run', '--config', $file, ...$this->flags];
        return $isReplaced ? $this->become($command) : $this->accompany($command, $descriptor, $memory);
    }

    /**
     * @param list<string> $command
     */
    private function become(array $command): never
    {
        @pcntl_exec($command[0], array_slice($command, 1), $this->origin->environment);
        throw Refusal::system("$command[0] cannot be executed: " . pcntl_strerror(pcntl_get_last_error()));
    }

    /**
     * @param list<string> $command
     * @param resource|null $memory
     */
    private function accompany(array $command, ?int $descriptor, $memory): int
    {
        $streams = [STDIN, STDOUT, STDERR] + ($descriptor === null ? [] : [$descriptor => $memory]);
        $pid = null;
        $early = [];
        Signal::on(self::FORWARDED, static function (SignalInfo $info) use (&$pid, &$early): void {
            $pid === null ? $early[] = $info->signal : Signal::send($pid, $info->signal);
        });
        $process = proc_open($command, $streams, $pipes, null, $this->origin->environment);
        if ($process === false) {
            throw Refusal::system("$command[0] cannot be executed");
        }
        $status = proc_get_status($process);
        $pid = $status['pid'];
        array_map(static fn (int $signal) => Signal::send($pid, $signal), $early);
        while ($status['running']) {
            Signal::wait(self::TURN_SECONDS, 'CHLD'); // one that comes between two turns is not waited for
            $status = proc_get_status($process);
        }
        return $status['signaled'] ? 128 + $status['termsig'] : $status['exitcode'];
    }

    /**
     * @throws InvalidConfiguration
     */
    private function check(string $file): void
    {
        $command = [$this->binary, 'run', '--config', $file, '--check', ...$this->flags];
        $process = proc_open($command, [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'], ['pipe', 'w']], $pipes);
        $said = $process === false ? '' : trim((string) stream_get_contents($pipes[2]));
        $code = $process === false ? ExitCode::SYSTEM : proc_close($process);
        if ($code === ExitCode::DONE) {
            return;
        }
        $where = ['pool.' => 'pools.', '' => 'options.'];
        $ours = static fn (array $found): string => 'config/rustdaemon.php: ' . ($where[$found[1]] ?? $found[1]);
        $line = strtok($said, "\n") ?: "$this->binary cannot be executed";
        $theirs = '~^' . preg_quote($file, '~') . ':\d+: (pool\.|socket:|socket_mode:|)~';
        $first = preg_replace_callback($theirs, $ours, $line);
        throw $code === ExitCode::USAGE ? new InvalidConfiguration($first) : Refusal::system($first);
    }

    /**
     * Written under another name first: whoever reads it reads all of it.
     *
     * @throws Refusal
     */
    private static function keep(string $file, string $content): void
    {
        $new = @tempnam(dirname($file), 'rustdaemon'); // with mode 0600: pools may have secrets in env
        // tempnam() answers without symlinks, and goes elsewhere where the directory is not writable.
        $isThere = $new !== false && realpath(dirname($new)) === realpath(dirname($file));
        if (!$isThere || @file_put_contents($new, $content) === false || !@rename($new, $file)) {
            $new === false || @unlink($new);
            throw Refusal::system("$file cannot be written; it is what the sidecar is configured by");
        }
    }

    /**
     * @return resource a file without a name, which a program that is executed inherits
     */
    private static function file(#[SensitiveParameter] string $content)
    {
        $file = @tmpfile() ?: throw Refusal::system('no temporary file can be made, which is to hold the token');
        unlink(stream_get_meta_data($file)['uri']);
        fwrite($file, $content);
        rewind($file);
        return $file;
    }

    /**
     * The descriptor of a stream: PHP does not say, the kernel does.
     *
     * @param resource $stream
     */
    private static function number($stream): int
    {
        $wanted = fstat($stream);
        foreach (scandir('/proc/self/fd') as $name) {
            $found = ctype_digit($name) ? @stat("/proc/self/fd/$name") : false;
            if ($found && [$found['dev'], $found['ino']] === [$wanted['dev'], $wanted['ino']]) {
                return (int) $name;
            }
        }
        throw Refusal::system('the token cannot be handed to the sidecar: /proc is not mounted');
    }
}
