<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use RustDaemon\Tests\Child;

/**
 * A real supervisord with the programs in deploy/ of an application; it ends with the test, and they with it.
 */
final class Supervisord
{
    public readonly Child $child;

    public function __construct(private readonly App $app)
    {
        $path = $app->path;
        $app->write('supervisord.conf', "[supervisord]\nnodaemon=true\npidfile=$path/pid\nlogfile=$path/log\n"
            . "childlogdir=$path\n[unix_http_server]\nfile=$path/ctl\n[supervisorctl]\nserverurl=unix://$path/ctl\n"
            . "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory="
            . "supervisor.rpcinterface:make_main_rpcinterface\n[include]\nfiles=$path/deploy/*.conf\n");
        $environment = ['RUSTDAEMON_PACKAGE' => dirname(__DIR__, 2)];
        $command = [self::directory() . '/supervisord', '-c', "$path/supervisord.conf"];
        $this->child = new Child($command, "$path/out", $environment);
    }

    public function __destruct()
    {
        $this->child->signal(SIGTERM);
        $this->child->eventually('supervisord ends', fn (): array => $this->child->ended());
    }

    /**
     * Where it is; null: it is not installed. What stands in the checkout does not run in every system that sees it.
     */
    public static function directory(): ?string
    {
        foreach ([dirname(__DIR__, 3) . '/target/venv/bin', '/usr/bin'] as $directory) {
            exec(escapeshellarg("$directory/supervisord") . ' --version 2>/dev/null', $version, $code);
            if ($code === 0) {
                return $directory;
            }
        }
        return null;
    }

    /**
     * What supervisorctl prints.
     */
    public function control(string ...$words): string
    {
        $command = [self::directory() . '/supervisorctl', '-c', "{$this->app->path}/supervisord.conf", ...$words];
        return $this->app->run($command)->output;
    }

    /**
     * Waits until its status says something.
     */
    public function until(string $said): void
    {
        $this->child->eventually("status: $said", fn (): bool => str_contains($this->control('status'), $said));
    }
}
