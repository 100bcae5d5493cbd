<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use RustDaemon\Client\Client;
use RustDaemon\Laravel\Release;
use RustDaemon\Tests\Child;

/**
 * Deploys as Deployer, Envoyer and the like make them: releases/N, and a symlink current to the newest one.
 */
final class ReleaseTest extends TestCase
{
    /** What plant:serve offers. */
    private const METHODS = <<<'PHP'
        $this->expose('place', fn (): array => [base_path(), getcwd()]);
        PHP;

    private App $app;
    private ?Child $child = null;
    private string $socket;

    protected function setUp(): void
    {
        $this->app = new App();
        $this->app->plant(self::METHODS);
        $this->app->write('home/releases', null);
        $this->socket = "{$this->home()}/shared/storage/framework/rustdaemon.sock";
    }

    protected function tearDown(): void
    {
        if ($this->child !== null) {
            $this->child->signal(SIGTERM);
            $this->child->eventually('the sidecar ends', fn (): array => $this->child->ended());
        }
    }

    /**
     * @dataProvider starts
     * @param list<string> $words
     */
    #[DataProvider('starts')]
    public function testADaemonOutlivesTheReleaseThatItWasStartedFrom(array $words): void
    {
        $this->deploy('1', isShared: true);
        $this->child = $this->start($words);
        $client = new Client($this->socket, null, 20.0);
        $this->app->untilIdle($this->child, client: $client);
        self::assertSame($this->place('1'), $client->call('place'));
        self::assertStringNotContainsString('releases', $this->child->output());

        $this->deploy('2', isShared: true);
        self::assertSame([0, ''], $this->ended('rustdaemon:reload'), $this->child->output());
        self::assertSame($this->place('2'), $client->call('place'));
        exec('rm -r ' . escapeshellarg("{$this->home()}/releases/1"));
        foreach (['restart', 'reload', 'status'] as $verb) {
            self::assertSame([0, ''], $this->ended("rustdaemon:$verb"), $this->child->output());
            self::assertSame($this->place('2'), $client->call('place'));
        }
        $this->deploy('3', isShared: true);
        self::assertSame([0, ''], $this->ended('rustdaemon:reload'), $this->child->output());
        self::assertSame($this->place('3'), $client->call('place'));
    }

    /**
     * @return iterable<string, array{list<string>}>
     */
    public static function starts(): iterable
    {
        yield 'the command becomes the sidecar' => [['plant:serve']];
        yield 'rustdaemon:run does' => [['rustdaemon:run', 'plant:serve']];
    }

    public function testWhatTheSidecarIsToldLeadsToTheNextRelease(): void
    {
        $config = "<?php return ['socket' => storage_path('framework/rustdaemon.sock'),
            'sidecar' => base_path('bin/rustdaemon'),
            'options' => ['control' => storage_path('framework/control.sock')],
            'pools' => ['feeder' => ['command' => ['/bin/sh', base_path('feeder.sh')], 'link' => false,
                'cwd' => base_path(), 'log' => storage_path('logs/feeder.log'),
                'env_file' => base_path('feeder.env')]]];";
        $this->app->write('config/rustdaemon.php', $config);
        $this->app->write('feeder.env', '');
        $this->app->write('feeder.sh', 'exec sleep 60');
        $this->app->write('bin', null);
        symlink(getenv('RUSTDAEMON_BIN'), "{$this->app->path}/bin/rustdaemon");
        $this->deploy('1', isShared: true);
        $this->child = $this->start(['rustdaemon:run']);
        $this->child->eventually('it listens', fn (): bool => file_exists($this->socket));
        $current = "{$this->home()}/current";
        $words = explode("\0", file_get_contents("/proc/{$this->child->pid()}/cmdline"));
        $file = "{$this->home()}/shared/storage/framework/rustdaemon.json";
        self::assertSame(["$current/bin/rustdaemon", 'run', '--config', $file, ''], $words);
        $document = json_decode(file_get_contents($file), true);
        self::assertSame([
            'control' => "{$this->home()}/shared/storage/framework/control.sock",
            'socket' => $this->socket,
            'socket_mode' => '0600',
            'pool' => ['feeder' => [
                'cwd' => $current,
                'command' => ['/bin/sh', "$current/feeder.sh"],
                'link' => false,
                'log' => "$current/storage/logs/feeder.log",
                'env_file' => "$current/feeder.env",
            ]],
        ], $document);
    }

    /**
     * @dataProvider warned
     * @param list<string> $words
     */
    #[DataProvider('warned')]
    public function testASocketThatTheNextReleaseDoesNotFindIsSaidAtTheStart(array $words, bool $endsByItself): void
    {
        $this->deploy('1', isShared: false);
        $socket = "{$this->home()}/releases/1/storage/framework/rustdaemon.sock";
        $warning = "socket: $socket lies in one release, and the next one looks for it in its own directory: share "
            . 'storage between the releases, or set RUSTDAEMON_SOCKET_PATH to a path outside of them';
        $other = "{$this->home()}/rustdaemon.sock";
        $child = $this->start($words);
        $endsByItself || $this->app->untilIdle($child, client: new Client($socket, null, 20.0));
        $endsByItself || $child->signal(SIGTERM);
        self::assertSame(0, $child->end());
        self::assertSame(1, substr_count($child->output(), $warning), $child->output());
        unlink("{$this->app->path}/out");

        $this->child = $child = $this->start($words, ['RUSTDAEMON_SOCKET_PATH' => $other]);
        $endsByItself || $this->app->untilIdle($child, client: new Client($other, null, 20.0));
        $endsByItself ? $child->end() : $this->deploy('2', isShared: false);
        self::assertStringNotContainsString('one release', $child->output());
        if (!$endsByItself) {
            $ended = $this->ended('rustdaemon:reload', ['RUSTDAEMON_SOCKET_PATH' => $other]);
            self::assertSame([0, ''], $ended, $child->output());
            self::assertSame($this->place('2'), (new Client($other))->call('place'));
        }
    }

    /**
     * @return iterable<string, array{list<string>, bool}>
     */
    public static function warned(): iterable
    {
        yield 'the command becomes the sidecar' => [['plant:serve'], false];
        yield 'rustdaemon:run does' => [['rustdaemon:run', 'plant:serve'], false];
        yield 'rustdaemon:install' => [['rustdaemon:install', 'plant:serve', '--name=x'], true];
    }

    /**
     * @dataProvider controls
     */
    #[DataProvider('controls')]
    public function testAControlSocketThatTheNextReleaseDoesNotFindIsSaidAtTheStart(string $control): void
    {
        $this->app->write('config/rustdaemon.php', "<?php return ['socket' => '{$this->home()}/rustdaemon.sock',
            'options' => ['control' => $control],
            'pools' => ['sleep' => ['command' => ['sleep', '60'], 'link' => false]]];");
        $this->deploy('1', isShared: false);
        $socket = "{$this->home()}/releases/1/storage/framework/control.sock";
        $warning = "options.control: $socket lies in one release, and the next one looks for it in its own directory: "
            . "share storage between the releases, or set it to a path outside of them\n";
        self::assertSame([0, $warning], $this->ended('rustdaemon:install'));
        $this->child = $this->start(['rustdaemon:run']);
        $this->child->eventually('it listens where artisan asks', fn (): bool => file_exists($socket));
        self::assertSame(1, substr_count($this->child->output(), $warning), $this->child->output());
        $document = json_decode($this->app->read('home/releases/1/storage/framework/rustdaemon.json'), true);
        self::assertSame($socket, $document['control']);
    }

    /**
     * @return iterable<string, array{string}> as the configuration has it
     */
    public static function controls(): iterable
    {
        yield 'absolute' => ["storage_path('framework/control.sock')"];
        yield 'relative' => ["'storage/framework/control.sock'"];
    }

    public function testAWorkerIsInTheReleaseThatItRuns(): void
    {
        mkdir("{$this->home()}/releases/1/public", recursive: true);
        mkdir("{$this->home()}/releases/10");
        $release = new Release("{$this->home()}/releases/1");
        $places = [
            'releases/10' => true, 'releases/1' => false, 'releases/1/public' => false, 'releases' => false,
        ];
        foreach ($places as $place => $isAnothers) {
            self::assertSame($isAnothers, $release->isAnothers(rtrim("{$this->home()}/$place", '/')), $place);
        }
        $elsewhere = new Release($this->home()); // no releases at all
        self::assertFalse($elsewhere->isAnothers("{$this->home()}/releases/1"));
        self::assertFalse($elsewhere->isAnothers($this->app->path));
    }

    public function testAnApplicationInTheRootDirectoryIsNotTheWorkingDirectory(): void
    {
        mkdir("{$this->home()}/releases/1");
        $here = getcwd();
        chdir("{$this->home()}/releases/1");
        try {
            $release = new Release('');
        } finally {
            chdir($here);
        }
        self::assertFalse($release->isAnothers("{$this->home()}/releases"));
        self::assertFalse($release->isAnothers("{$this->home()}/releases/2"));
        self::assertNull($release->warning("{$this->home()}/releases/1/x.sock"));
        self::assertSame('/storage/x', $release->shared('/storage/x'));
    }

    public function testAPathHoldsWhicheverReleaseIsCurrent(): void
    {
        $this->deploy('1', isShared: true);
        [$base, $current] = ["{$this->home()}/releases/1", "{$this->home()}/current"];
        mkdir("{$this->home()}/tools-of-1");
        symlink('../../tools-of-1', "$base/tools");
        $release = new Release($base, $current);
        $shared = "{$this->home()}/shared/storage";
        $paths = [
            [$base, $current, $base],
            ["$base/artisan", "$current/artisan", "$base/artisan"],
            ["$base/not/there/yet", "$current/not/there/yet", "$base/not/there/yet"],
            ["$base/storage/framework/x", "$current/storage/framework/x", "$shared/framework/x"],
            ["$base/tools/bin", "$current/tools/bin", "{$this->home()}/tools-of-1/bin"],
            ["{$base}0/artisan", "{$base}0/artisan", "{$base}0/artisan"],
            ["$current/storage/x", "$current/storage/x", "$current/storage/x"],
            ['/run/x', '/run/x', '/run/x'],
            ['artisan', 'artisan', 'artisan'],
        ];
        foreach ($paths as $row) {
            self::assertSame($row, [$row[0], $release->current($row[0]), $release->shared($row[0])]);
        }
        self::assertSame("$base/artisan", (new Release($base))->current("$base/artisan"), 'no way is known');
    }

    public function testALongDirectoryBehindTheSymlinkStorageRefusesNoSocket(): void
    {
        $elsewhere = new App();
        $long = $elsewhere->path . str_repeat('/a-directory-with-a-long-name', 3);
        mkdir("$long/framework", recursive: true);
        mkdir("$long/logs");
        exec('rm -r ' . escapeshellarg("{$this->app->path}/storage"));
        symlink($long, "{$this->app->path}/storage");
        $ended = $this->app->artisan(['rustdaemon:status']);
        self::assertSame(111, $ended->code, 'nobody listens, but the path is one: ' . $ended->error);

        mkdir("{$this->home()}/releases/1");
        symlink($long, "{$this->home()}/releases/1/storage");
        foreach ([$this->app->path, "{$this->home()}/releases/1"] as $base) {
            $socket = "$base/storage/framework/rustdaemon.sock";
            self::assertSame($socket, (new Release($base))->shared($socket));
        }
    }

    private function home(): string
    {
        return "{$this->app->path}/home";
    }

    /**
     * @return array{string, string} what its worker says of where it is
     */
    private function place(string $release): array
    {
        return ["{$this->home()}/releases/$release", "{$this->home()}/releases/$release"];
    }

    private function deploy(string $release, bool $isShared): void
    {
        $path = "{$this->home()}/releases/$release";
        mkdir($path);
        $names = array_diff(scandir($this->app->path), ['.', '..', 'home', 'out']);
        $files = array_map(fn (string $name): string => escapeshellarg("{$this->app->path}/$name"), $names);
        exec('cp -a ' . implode(' ', $files) . ' ' . escapeshellarg($path));
        if ($isShared) {
            is_dir("{$this->home()}/shared") || mkdir("{$this->home()}/shared");
            is_dir("{$this->home()}/shared/storage") || rename("$path/storage", "{$this->home()}/shared/storage");
            exec('rm -rf ' . escapeshellarg("$path/storage"));
            symlink('../../shared/storage', "$path/storage");
        }
        symlink("releases/$release", "{$this->home()}/new");
        rename("{$this->home()}/new", "{$this->home()}/current");
    }

    /**
     * As supervisord starts it: in the directory, which the environment does not name.
     *
     * @param list<string> $words
     * @param array<string, string> $environment
     */
    private function start(array $words, array $environment = []): Child
    {
        $current = "{$this->home()}/current";
        $command = ['env', '-u', 'PWD', '-C', $current, ...$this->app->php(), "$current/artisan", ...$words];
        $environment += ['RUSTDAEMON_PACKAGE' => dirname(__DIR__, 2)];
        return new Child($command, "{$this->app->path}/out", $environment);
    }

    /**
     * Artisan of the current release.
     *
     * @param array<string, string> $environment
     * @return array{int, string} its exit code, and what it says on standard error
     */
    private function ended(string $verb, array $environment = []): array
    {
        $ended = $this->app->run([...$this->app->php(), "{$this->home()}/current/artisan", $verb], $environment);
        return [$ended->code, $ended->error];
    }
}
