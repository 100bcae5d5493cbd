<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use RustDaemon\Tests\Child;

/**
 * The files of rustdaemon:install, read by those whom they are for.
 */
final class InstallTest extends TestCase
{
    private App $app;

    protected function setUp(): void
    {
        $this->app = new App();
        $this->app->write('config/rustdaemon.php', "<?php return ['socket' => storage_path('framework/rustdaemon.sock'),
            'pools' => ['sleep' => ['command' => ['sleep', '60'], 'link' => false, 'stop_timeout' => '45s']]];");
    }

    public function testSystemdUnderstandsTheUnit(): void
    {
        if (!is_executable('/usr/bin/systemd-analyze')) {
            self::markTestSkipped('systemd-analyze is not installed');
        }
        $user = posix_getpwuid(posix_geteuid())['name'];
        self::assertSame(0, $this->install(['--user', $user])->code);
        $ended = $this->app->run(['systemd-analyze', 'verify', "{$this->app->path}/deploy/test-rustdaemon.service"]);
        self::assertSame([0, '', ''], [$ended->code, $ended->output, $ended->error]);
        $unit = $this->app->read('deploy/test-rustdaemon.service');
        foreach (["User=$user", 'TimeoutStopSec=55', "WorkingDirectory={$this->app->path}"] as $line) {
            self::assertStringContainsString("\n$line\n", $unit);
        }
    }

    public function testSupervisorStartsAndStopsTheDaemonAndLeavesItStopped(): void
    {
        $venv = dirname(__DIR__, 3) . '/target/venv/bin';
        $bin = is_executable("$venv/supervisord") ? $venv : '/usr/bin';
        if (!is_executable("$bin/supervisord")) {
            self::markTestSkipped("supervisord is in neither $venv nor /usr/bin");
        }
        self::assertSame(0, $this->install(['--user', posix_getpwuid(posix_geteuid())['name']])->code);
        $path = $this->app->path;
        $this->app->write('supervisord.conf', "[supervisord]\nnodaemon=true\npidfile=$path/pid\nlogfile=$path/log\n"
            . "childlogdir=$path\n[unix_http_server]\nfile=$path/ctl\n[supervisorctl]\nserverurl=unix://$path/ctl\n"
            . "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory="
            . "supervisor.rpcinterface:make_main_rpcinterface\n[include]\nfiles=$path/deploy/*.conf\n");
        $environment = ['RUSTDAEMON_PACKAGE' => dirname(__DIR__, 2)];
        $supervisor = new Child(["$bin/supervisord", '-c', "$path/supervisord.conf"], "$path/out", $environment);
        $control = fn (string ...$words): string
            => $this->app->run(["$bin/supervisorctl", '-c', "$path/supervisord.conf", ...$words])->output;
        $this->app->untilIdle($supervisor);
        $pid = $this->app->client()->status()['pid'];
        $runs = "RUNNING   pid $pid,";
        $supervisor->eventually('it runs', static fn (): bool => str_contains($control('status'), $runs));
        self::assertSame(0, $this->app->artisan(['rustdaemon:stop'])->code);
        $supervisor->eventually('it is let be', static fn (): bool => str_contains($control('status'), 'EXITED'));
        self::assertStringContainsString('started', $control('start', 'test-rustdaemon'));
        $this->app->untilIdle($supervisor);
        self::assertStringContainsString('stopped', $control('stop', 'test-rustdaemon'));
        self::assertFileDoesNotExist($this->app->socket());
        $log = $this->app->read('storage/logs/rustdaemon.log');
        self::assertStringEndsWith("rustdaemon: stopped\n", $log);
        $supervisor->signal(SIGTERM);
        $supervisor->eventually('supervisord ends', static fn (): array => $supervisor->ended());
    }

    public function testOddNamesSurviveBothOfThem(): void
    {
        $this->app->write('config/rustdaemon.php', "<?php return ['pools' => ['a' => ['artisan' => 'list']]];");
        $words = ['list', '100%', 'a b', "it's", '"q"', '$HOME', 'x;y', 'back\\slash'];
        self::assertSame(0, $this->install(['--', ...$words])->code);
        $command = strtr(self::line('command', $this->app->read('deploy/test-rustdaemon.conf')), ['%%' => '%']);
        $read = explode("\n", $this->app->run(['sh', '-c', "printf '%s\n' $command"])->output); // supervisord's rules
        self::assertSame([...$words, ''], array_slice($read, -count($words) - 1));
        $start = self::line('ExecStart', $this->app->read('deploy/test-rustdaemon.service'));
        self::assertStringEndsWith(' list 100%% "a b" "it\'s" "\\"q\\"" $$HOME "x;y" "back\\\\slash"', $start);
    }

    public function testPathsGoThroughTheSymlinkThatReleasesHave(): void
    {
        $home = new App();
        mkdir("$home->path/releases");
        exec("cp -a {$this->app->path} $home->path/releases/1");
        symlink('releases/1', "$home->path/current");
        $command = [...$this->app->php(), "$home->path/releases/1/artisan", 'rustdaemon:install'];
        $ended = $home->run($command);
        self::assertSame(0, $ended->code, $ended->error);
        $name = 'current/deploy/test-rustdaemon';
        $unit = $home->read("$name.service") . $home->read("$name.conf");
        self::assertStringContainsString("$home->path/current/artisan rustdaemon:run\n", $unit);
        self::assertStringContainsString("WorkingDirectory=$home->path/current\n", $unit);
        self::assertStringContainsString("stdout_logfile=$home->path/current/storage/logs/rustdaemon.log\n", $unit);
        self::assertStringNotContainsString("$home->path/releases", $unit);
    }

    public function testNothingThatIsThereIsOverwritten(): void
    {
        self::assertSame(0, $this->install()->code);
        self::assertSame(0, $this->install()->code, 'they say the same');
        $this->app->write('deploy/test-rustdaemon.service', 'mine');
        $ended = $this->install(['--user=somebody']);
        self::assertSame([1, ''], [$ended->code, $ended->output]);
        $file = "{$this->app->path}/deploy/test-rustdaemon.conf";
        self::assertSame("$file is there and says something else; --force writes over it\n", $ended->error);
        self::assertSame('mine', $this->app->read('deploy/test-rustdaemon.service'));
        self::assertSame(0, $this->install(['--user=somebody', '--force'])->code);
        self::assertStringContainsString('User=somebody', $this->app->read('deploy/test-rustdaemon.service'));
    }

    /**
     * @dataProvider badInput
     * @param list<string> $words
     */
    #[DataProvider('badInput')]
    public function testBadInputIsOneSentence(array $words, string $said): void
    {
        $ended = $this->install($words);
        self::assertSame([100, '', "$said\n"], [$ended->code, $ended->output, $ended->error]);
        self::assertDirectoryDoesNotExist("{$this->app->path}/deploy");
    }

    public static function badInput(): iterable
    {
        yield [['--name=a b'], '--name=a b: a program is called by letters, digits and . _ -'];
        yield [["--user=root\nx"], "--user=root\nx: a user is called by letters, digits and . _ -"];
        yield [['nope'], 'rustdaemon:run: artisan has no command "nope"'];
        yield [['--nope'], 'The "--nope" option does not exist.'];
    }

    private static function line(string $key, string $file): string
    {
        return preg_match("/^$key=(.*)$/m", $file, $found) === 1 ? $found[1] : '';
    }

    /**
     * @param list<string> $words
     */
    private function install(array $words = []): Ended
    {
        return $this->app->artisan(['rustdaemon:install', ...$words]);
    }
}
