<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Sidecar;

use RustDaemon\Laravel\Console\Refusal;

/**
 * `artisan rustdaemon:run` as a program of Supervisor, or a unit of systemd.
 *
 * In both, what ends with 0 (artisan rustdaemon:stop) or 100 (usage or configuration) stays ended; anything else is
 * started anew. The signal to stop goes to the sidecar alone, which stops its workers itself, and has longer for it
 * than the slowest of its pools.
 *
 * Sources: supervisord.org/configuration.html, and options.py of Supervisor 4.3; systemd.service(5), systemd.kill(5),
 * systemd.syntax(7).
 *
 * @internal
 */
final class Program
{
    private const LEAST_STOP_SECONDS = 30;
    private const MORE_STOP_SECONDS = 10;

    /**
     * @param list<string> $artisan php, its options, and the script
     * @param list<string> $options of all its commands: --env
     * @param list<string> $words of rustdaemon:run
     * @throws Refusal a name or a path that a file of settings cannot hold
     */
    public function __construct(
        private readonly string $name,
        private readonly string $user,
        private readonly string $directory,
        private readonly string $log,
        private readonly array $artisan,
        private readonly array $options,
        private readonly array $words,
        private readonly float $stopSeconds,
    ) {
        foreach ([$directory, $log, ...$artisan, ...$options, ...$words] as $text) {
            if (preg_match('/[\x00-\x1f]/', $text) || !preg_match('//u', $text)) { // Supervisor's is UTF-8, all of it
                throw Refusal::usage('rustdaemon:install: ' . json_encode($text, JSON_INVALID_UTF8_SUBSTITUTE)
                    . ' cannot stand in such a file');
            }
        }
    }

    public function supervisor(): string
    {
        $run = [...$this->artisan, 'rustdaemon:run', ...$this->options, ...$this->words];
        $words = array_map(static fn (string $word): string => preg_match('~^[\w@+=:,./-]+$~D', $word)
            ? $word : "'" . str_replace("'", "'\"'\"'", $word) . "'", $run);
        return <<<INI
            ; /etc/supervisor/conf.d/$this->name.conf, written by artisan rustdaemon:install
            ; The process that supervisord starts becomes the sidecar (same pid), which keeps the workers alive.
            [program:$this->name]
            command={$this->value(implode(' ', $words))}
            directory={$this->value($this->directory)}
            user=$this->user
            autostart=true
            ; 0: it was stopped; 100: usage or configuration, to start it again does not help.
            autorestart=unexpected
            exitcodes=0,100
            startretries=10
            ; To the sidecar alone: it drains and stops its workers itself.
            stopsignal=TERM
            stopwaitsecs={$this->stopSeconds()}
            redirect_stderr=true
            stdout_logfile={$this->value($this->log, '%%%%')}
            stdout_logfile_maxbytes=50MB
            stdout_logfile_backups=10

            INI;
    }

    public function systemd(): string
    {
        $line = fn (string ...$verb): string => implode(' ', array_map(self::word(...), [...$this->artisan, ...$verb]));
        $directory = str_replace('%', '%%', $this->directory);
        return <<<INI
            # /etc/systemd/system/$this->name.service, written by artisan rustdaemon:install
            # The process that systemd starts becomes the sidecar (same pid), which keeps the workers alive.
            [Unit]
            Description=Workers of $directory
            After=network.target

            [Service]
            Type=exec
            User=$this->user
            WorkingDirectory=$directory
            ExecStart={$line('rustdaemon:run', ...$this->options, ...$this->words)}
            ExecReload={$line('rustdaemon:reload', ...$this->options)}
            Restart=on-failure
            RestartSec=1
            # Usage or configuration: to start it again does not help.
            RestartPreventExitStatus=100
            # To the sidecar alone: it drains and stops its workers itself.
            KillMode=mixed
            KillSignal=SIGTERM
            TimeoutStopSec={$this->stopSeconds()}
            LimitNOFILE=65536

            [Install]
            WantedBy=multi-user.target

            INI;
    }

    private function stopSeconds(): int
    {
        return max(self::LEAST_STOP_SECONDS, (int) ceil($this->stopSeconds) + self::MORE_STOP_SECONDS);
    }

    /**
     * A value that supervisord reads as this text: it ends a value at a blank and ";" or "#", and takes blanks from the
     * end of it, before it expands it as Python's % does. So what expands to nothing stands there.
     *
     * @param string $percent what "%" is written as: a log's name is expanded twice
     */
    private function value(string $text, string $percent = '%%'): string
    {
        $nothing = '%(program_name).0s';
        $text = str_replace('%', $percent, $text);
        // Any byte of a letter that is not ASCII could be of a blank; "%(here)s" is replaced before all else.
        return preg_replace(['/(?<![!-~])(?=[;#])/', '/(?<![!-~])$/D', '/(?<=%)(?=\(here\))/'], $nothing, $text);
    }

    /**
     * A word of a command line in a unit.
     */
    private static function word(string $word): string
    {
        $word = str_replace(['%', '$'], ['%%', '$$'], $word);
        return preg_match('~^[\w@%+=:,./$-]+$~D', $word) ? $word : '"' . addcslashes($word, '"\\') . '"';
    }
}
