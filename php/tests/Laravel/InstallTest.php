<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;

/**
 * The files of rustdaemon:install, read by those whom they are for.
 */
final class InstallTest extends TestCase
{
    private const ODD = ['100%', 'a b', "it's", '"q"', '$HOME', 'x;y', 'back\\slash', 'a #b', 'a ;b', '#', '%(here)s ',
        'é#', ''];

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
        $user = self::user();
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
        Supervisord::directory() ?? self::markTestSkipped('supervisord is neither in target/venv nor in /usr/bin');
        self::assertSame(0, $this->install(['--user', self::user()])->code);
        $supervisor = new Supervisord($this->app);
        $this->app->untilIdle($supervisor->child);
        $supervisor->until("RUNNING   pid {$this->app->client()->status()['pid']},");
        self::assertSame(0, $this->app->artisan(['rustdaemon:stop'])->code);
        $supervisor->until('EXITED');
        self::assertStringContainsString('started', $supervisor->control('start', 'test-rustdaemon'));
        $this->app->untilIdle($supervisor->child);
        self::assertStringContainsString('stopped', $supervisor->control('stop', 'test-rustdaemon'));
        self::assertFileDoesNotExist($this->app->socket());
        self::assertStringEndsWith("rustdaemon: stopped\n", $this->app->read('storage/logs/rustdaemon.log'));
    }

    /**
     * Horizon and Octane are in no package of Debian's: their commands are stand-ins.
     */
    public function testHorizonAndOctaneBesideItAsLaravelsPageHasThem(): void
    {
        Supervisord::directory() ?? self::markTestSkipped('supervisord is neither in target/venv nor in /usr/bin');
        foreach (['Horizon' => 'horizon', 'Octane' => 'octane:start {--host=} {--port=}'] as $name => $signature) {
            $this->app->write("app/Commands/{$name}Command.php", "<?php namespace App\\Commands;
                final class {$name}Command extends \\Illuminate\\Console\\Command {
                    protected \$signature = '$signature';
                    public function handle() { while (true) { sleep(60); } }
                }");
        }
        preg_match('/```ini\n(.*?)```/s', file_get_contents(dirname(__DIR__, 2) . '/LARAVEL.md'), $found);
        $php = implode(' ', $this->app->php());
        $ours = ['/usr/bin/php' => $php, '/var/www/plant/current' => $this->app->path, 'www-data' => self::user()];
        $this->app->write('deploy/plant.conf', strtr($found[1], $ours));
        $supervisor = new Supervisord($this->app);
        $this->app->untilIdle($supervisor->child);
        foreach (['rustdaemon', 'horizon', 'octane'] as $program) {
            $supervisor->child->eventually("$program runs", static fn (): bool
                => preg_match("/^plant:plant-$program +RUNNING/m", $supervisor->control('status')) === 1);
        }
        self::assertSame(3, substr_count($supervisor->control('stop', 'plant:*'), 'stopped'));
        self::assertFileDoesNotExist($this->app->socket());
    }

    public function testOddNamesSurviveSystemd(): void
    {
        self::assertSame(0, $this->install(['--', 'list', ...self::ODD])->code);
        $start = self::line('ExecStart', $this->app->read('deploy/test-rustdaemon.service'));
        $end = ' list 100%% "a b" "it\'s" "\\"q\\"" $$HOME "x;y" "back\\\\slash" "a #b" "a ;b" "#" '
            . '"%%(here)s " "é#" ""';
        self::assertStringEndsWith($end, $start);
    }

    /**
     * @dataProvider places
     */
    #[DataProvider('places')]
    public function testSupervisorReadsWhatIsMeantWhereverTheApplicationLies(string $place): void
    {
        $python = Supervisord::directory() . '/python3';
        is_executable($python) || self::markTestSkipped('supervisord is neither in target/venv nor in /usr/bin');
        $path = "{$this->app->path}/$place";
        mkdir($path, recursive: true);
        exec("cp -a {$this->app->path}/[a-z]* " . escapeshellarg($path) . ' 2>&1');
        $command = [...$this->app->php(), "$path/artisan", 'rustdaemon:install', '--user', self::user(), '--',
            'list', ...self::ODD];
        $ended = $this->app->run($command);
        self::assertSame([0, ''], [$ended->code, $ended->error], $ended->output);
        $this->app->write('read.py', <<<'PYTHON'
            import json, shlex, sys
            from supervisor.options import ServerOptions
            options = ServerOptions()
            options.realize(['-c', sys.argv[1]])
            program = options.process_group_configs[0].process_configs[0]
            print(json.dumps([program.name, program.directory, program.stdout_logfile, shlex.split(program.command)]))
            PYTHON);
        $main = "{$this->app->path}/main.conf";
        $file = file_get_contents("$path/deploy/test-rustdaemon.conf");
        file_put_contents($main, "[supervisord]\nlogfile={$this->app->path}/log\n\n$file");
        $ended = $this->app->run([$python, 'read.py', $main], ['PYTHONUTF8' => '1']);
        self::assertSame(0, $ended->code, $ended->error . $file);
        $words = [...$this->app->php(), "$path/artisan", 'rustdaemon:run', 'list', ...self::ODD];
        $expected = ['test-rustdaemon', $path, "$path/storage/logs/rustdaemon.log", $words];
        self::assertSame($expected, json_decode($ended->output, true));
    }

    /**
     * @return iterable<string, array{string}>
     */
    public static function places(): iterable
    {
        $places = ["it's 100% \"é\"", '%(here)s', 'a #b', '#a ;b', 'end '];
        foreach ($places as $place) {
            yield $place => ["Odd/$place"];
        }
    }

    public function testTextThatIsNoUtf8IsRefused(): void
    {
        $ended = $this->install(['--', 'list', "\xff"]);
        $said = "rustdaemon:install: \"\u{fffd}\" cannot stand in such a file\n";
        self::assertSame([100, str_replace("\u{fffd}", '\ufffd', $said)], [$ended->code, $ended->error]);
    }

    public function testACallOfOneTextIsReadAsACommandLineIs(): void
    {
        $this->app->write('app/Commands/TryCommand.php', '<?php namespace App\Commands;
            final class TryCommand extends \Illuminate\Console\Command { protected $signature = "try";
            public function handle() { return \Illuminate\Support\Facades\Artisan::call(
                "rustdaemon:install --name=text list --raw --format=txt", [], $this->output); } }');
        $ended = $this->app->artisan(['try']);
        self::assertSame(0, $ended->code, $ended->output . $ended->error);
        $command = self::line('command', $this->app->read('deploy/text.conf'));
        self::assertStringEndsWith(' rustdaemon:run list --raw --format=txt', $command);
    }

    public function testADirectoryForTheLogThatIsMissingIsSaidButSystemdNeedsNone(): void
    {
        exec("rm -r {$this->app->path}/storage");
        $said = "{$this->app->path}/storage/logs is no directory: Supervisor needs it, for its log is to lie there\n";
        foreach ([['--user', self::user()], ['--force']] as $words) {
            $ended = $this->install($words);
            self::assertStringStartsWith($said, $ended->error);
            self::assertSame(0, $ended->code);
        }
        self::assertFileExists("{$this->app->path}/deploy/test-rustdaemon.service");
    }

    public function testAUserWhomNobodyKnowsIsSaid(): void
    {
        $ended = $this->install(['--user=no-such-user']);
        $said = "there is no user \"no-such-user\" on this machine; give one with --user\n";
        self::assertSame([0, $said], [$ended->code, $ended->error], 'they may be for another machine');
        self::assertSame('', $this->install(['--user=4711', '--force'])->error, 'a number is one');
    }

    public function testWithoutTheExtensionItSaysWhatTheWorkersWillNeed(): void
    {
        $artisan = [PHP_BINARY, 'artisan', 'rustdaemon:install', '--user', self::user()];
        self::assertSame('', $this->app->run($artisan)->error, 'the pool needs none');
        $ended = $this->app->run([...$artisan, '--force', 'list']);
        self::assertStringStartsWith('a worker needs the extension, which is not loaded: put ', $ended->error);
        self::assertSame([0, 1], [$ended->code, substr_count($ended->error, "\n")]);
    }

    public function testTheEnvironmentIsThatOfTheReloadToo(): void
    {
        $ended = $this->install(['--env=staging', 'sleep']);
        self::assertStringEndsWith("    php artisan rustdaemon:reload --env=staging\n", $ended->output);
        $unit = $this->app->read('deploy/test-rustdaemon.service');
        self::assertStringEndsWith('/artisan rustdaemon:run --env=staging sleep', self::line('ExecStart', $unit));
        self::assertStringEndsWith('/artisan rustdaemon:reload --env=staging', self::line('ExecReload', $unit));
        $command = self::line('command', $this->app->read('deploy/test-rustdaemon.conf'));
        self::assertStringEndsWith('/artisan rustdaemon:run --env=staging sleep', $command);
    }

    public function testOptionsAfterACommandAreTheCommandsAsInRun(): void
    {
        $user = self::user();
        $ended = $this->install(['--user', $user, 'list', '--raw', '--format=txt']);
        self::assertSame([0, ''], [$ended->code, $ended->error]);
        $file = $this->app->read('deploy/test-rustdaemon.conf');
        self::assertStringEndsWith(' rustdaemon:run list --raw --format=txt', self::line('command', $file));
        self::assertSame($user, self::line('user', $file));
    }

    public function testOptionsAfterAPoolAreInstallsOwn(): void
    {
        self::assertSame(0, $this->install(['sleep', '--name=night'])->code);
        $file = $this->app->read('deploy/night.conf');
        self::assertStringEndsWith(' rustdaemon:run sleep', self::line('command', $file));
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
        yield [['nope'], 'rustdaemon:install: artisan has no command "nope"'];
        yield [['--nope'], 'The "--nope" option does not exist.'];
    }

    private static function user(): string
    {
        return posix_getpwuid(posix_geteuid())['name'];
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
