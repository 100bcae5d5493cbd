<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use RustDaemon\Client\Client;
use RustDaemon\Laravel\Sidecar\Document;
use RustDaemon\Tests\Child;

/**
 * rustdaemon:run: artisan becomes the sidecar.
 */
final class RunTest extends TestCase
{
    private App $app;
    private ?Child $child = null;

    protected function setUp(): void
    {
        $this->app = new App();
        $this->app->write('app/Commands/PlantCommand.php', <<<'PHP'
            <?php

            namespace App\Commands;

            use Illuminate\Console\Command;
            use RustDaemon\Laravel\RunsAsWorker;

            final class PlantCommand extends Command
            {
                use RunsAsWorker;

                protected $signature = 'plant:serve {--line=1}';

                public function handle(): int
                {
                    $pool = $this->worker->name;
                    $this->worker->expose("$pool.line", fn (): string => $this->option('line'));
                    $this->worker->expose("$pool.store", fn (): string => cache()->getDefaultDriver());
                    $this->worker->expose("$pool.sleep", fn (int $seconds): int => sleep($seconds));
                    $this->worker->expose("$pool.argv", fn (): array => $_SERVER['argv']);
                    $sockets = fn (): array => [config('rustdaemon.socket'), getenv('RUSTDAEMON_SOCKET')];
                    $this->worker->expose("$pool.sockets", $sockets);
                    $this->worker->expose("$pool.place", fn (): array => [getcwd(), config('app.name')]);

                    return $this->worker->run();
                }
            }
            PHP);
    }

    protected function tearDown(): void
    {
        if ($this->child !== null) {
            $this->child->signal(SIGTERM);
            $this->child->eventually('the sidecar ends', fn (): bool => !file_exists($this->app->socket()));
        }
    }

    public function testThePoolsOfTheConfigurationAreServed(): void
    {
        $this->pools("'a' => ['artisan' => 'plant:serve --line=3', 'workers' => env('LINES', 2)],
            'b' => ['artisan' => ['plant:serve', '--line=4']],
            'sleep' => ['command' => ['sleep', '60'], 'link' => false]");
        $this->app->write('.env', "LINES=2\n");
        $this->launch([], 4);
        $client = $this->app->client();
        self::assertSame(['3', '4'], [$client->call('a.line'), $client->call('b.line')]);
        $workers = array_column($client->status()['workers'], 'name');
        self::assertSame(['a#0', 'a#1', 'b#0', 'sleep#0'], $workers);
        self::assertSame($this->child->pid(), $client->status()['pid'], 'the process has become the sidecar');
        self::assertStringNotContainsString('install() asks', $this->child->output());
    }

    public function testOnePoolOfThem(): void
    {
        $this->pools("'a' => ['artisan' => 'plant:serve'], 'b' => ['artisan' => 'plant:serve']");
        $this->launch(['b']);
        self::assertSame(['b#0'], array_column($this->app->client()->status()['workers'], 'name'));
    }

    public function testOneCommandWithItsOptions(): void
    {
        $this->launch(['plant:serve', '--line=9', '--socket-mode', '0660']);
        $client = $this->app->client();
        self::assertSame('9', $client->call('main.line'));
        $words = ["{$this->app->path}/artisan", 'plant:serve', '--line=9', '--socket-mode', '0660'];
        self::assertSame($words, $client->call('main.argv'));
    }

    public function testWorkersHaveTheEnvironmentOfTheirSidecar(): void
    {
        $this->app->write('config/app.php', str_replace("'test'", "env('NAME')", $this->app->read('config/app.php')));
        $this->app->write('.env', "NAME=ordinary\n");
        $this->app->write('.env.staging', "NAME=staging\n");
        $this->launch(['--env=staging', 'plant:serve', '--line=5']);
        self::assertSame('staging', $this->app->client()->call('main.place')[1]);
        self::assertSame('5', $this->app->client()->call('main.line'));
    }

    public function testEveryKeyOfTheConfigurationIsObeyed(): void
    {
        symlink(getenv('RUSTDAEMON_BIN'), "{$this->app->path}/my-rustdaemon");
        $this->app->write('.env', "RUSTDAEMON_SOCKET_PATH=other.sock\nRUSTDAEMON_SOCKET_MODE=0640\n"
            . "RUSTDAEMON_TIMEOUT=0.2\nRUSTDAEMON_SIDECAR={$this->app->path}/my-rustdaemon\n"
            . "RUSTDAEMON_LOG_CHANNEL=plant\nRUSTDAEMON_CACHE_STORE=array\nRUSTDAEMON_TOKEN=s3cret\n");
        $this->pools("'a' => ['artisan' => 'plant:serve']");
        $options = "'options' => [\n'log_format' => 'json', 'max_connections' => '77',";
        $config = str_replace("'options' => [\n", $options, $this->app->read('config/rustdaemon.php'));
        $this->app->write('config/rustdaemon.php', $config);
        $this->child = $this->app->start(['rustdaemon:run']);
        $socket = "{$this->app->path}/other.sock"; // relative ones are the application's
        $client = new Client($socket, 's3cret', 20.0);
        $this->app->untilIdle($this->child, client: $client);
        self::assertSame(0640, fileperms($socket) & 0777);
        self::assertSame(77, $client->status()['max_connections']);
        self::assertStringStartsWith('{"', $this->child->output());
        $words = explode("\0", file_get_contents("/proc/{$this->child->pid()}/cmdline"));
        self::assertSame('my-rustdaemon', basename($words[0]));
        self::assertStringContainsString('a#0 is ready', $this->app->read('storage/logs/plant.log'));
        self::assertSame('array', $client->call('a.store'));
        $this->app->write('app/Commands/TryCommand.php', '<?php namespace App\Commands;
            final class TryCommand extends \Illuminate\Console\Command { protected $signature = "try";
            public function handle() { \RustDaemon::call("a.sleep", 2); } }');
        $ended = $this->app->artisan(['try']);
        self::assertStringContainsString('a.sleep: No answer within 0.18 s', $ended->output . $ended->error);
    }

    public function testAChangedDotEnvReachesTheNextGeneration(): void
    {
        $this->app->write('config/app.php', str_replace("'test'", "env('NAME')", $this->app->read('config/app.php')));
        $this->app->write('.env', "NAME=old\n");
        $this->launch(['plant:serve']);
        $client = $this->app->client();
        self::assertSame('old', $client->call('main.place')[1]);
        $this->app->write('.env', "NAME=new\n");
        self::assertSame(0, $this->app->artisan(['rustdaemon:reload'])->code);
        self::assertSame('new', $client->call('main.place')[1]);
    }

    public function testAStorageThatIsASymlinkIsWritable(): void
    {
        rename("{$this->app->path}/storage", "{$this->app->path}/shared");
        symlink('shared', "{$this->app->path}/storage");
        $this->launch(['plant:serve']);
        self::assertFileExists("{$this->app->path}/shared/framework/rustdaemon-plant_serve.json");
    }

    public function testADirectoryThatIsNotWritableIsSaid(): void
    {
        mkdir("{$this->app->path}/storage/framework/rustdaemon-plant_serve.json"); // root may write anywhere
        $ended = $this->app->artisan(['rustdaemon:run', 'plant:serve']);
        $file = "{$this->app->path}/storage/framework/rustdaemon-plant_serve.json";
        self::assertStringStartsWith("$file cannot be written; it is what the sidecar is", $ended->error);
        self::assertSame(111, $ended->code);
        rmdir($file);
        self::assertSame([], glob("{$this->app->path}/storage/framework/rustdaemon*"), 'and nothing is left behind');
    }

    public function testARenewedSymlinkIsTheNextGenerationsRelease(): void
    {
        $home = new App();
        foreach (['1', '2'] as $release) {
            mkdir("$home->path/releases/$release", recursive: true);
            exec("cp -a {$this->app->path}/. $home->path/releases/$release");
            $config = str_replace("'test'", "'release $release'", $this->app->read('config/app.php'));
            file_put_contents("$home->path/releases/$release/config/app.php", $config);
        }
        symlink('releases/1', "$home->path/current");
        $environment = ['RUSTDAEMON_SOCKET_PATH' => $this->app->socket(), 'RUSTDAEMON_PACKAGE' => dirname(__DIR__, 2)];
        $command = [...$this->app->php(), "$home->path/current/artisan", 'rustdaemon:run', 'plant:serve'];
        $this->child = new Child($command, "{$this->app->path}/out", $environment);
        $this->app->untilIdle($this->child);
        self::assertSame('release 1', $this->app->client()->call('main.place')[1]);
        symlink('releases/2', "$home->path/new");
        rename("$home->path/new", "$home->path/current");
        $this->app->client()->call('daemon.reload');
        $there = ["$home->path/releases/2", 'release 2'];
        self::assertSame($there, $this->app->client()->call('main.place'));
    }

    public function testTheTokenIsAskedForAndStandsNowhere(): void
    {
        $this->app->write('.env', "RUSTDAEMON_TOKEN=s3cret\n");
        $this->launch(['plant:serve'], token: 's3cret');
        $pid = $this->child->pid();
        $kept = glob("{$this->app->path}/storage/framework/*.json");
        self::assertCount(1, $kept);
        foreach (["/proc/$pid/cmdline", "/proc/$pid/environ", ...$kept] as $file) {
            self::assertStringNotContainsString('s3cret', file_get_contents($file), $file);
        }
        $this->expectExceptionMessage('Invalid or missing auth token');
        $this->app->client()->call('main.line');
    }

    public function testWithoutPcntlItStaysAboveTheSidecarAndHandsOnSignalsAndTheExitCode(): void
    {
        $this->app->write('.env', "RUSTDAEMON_TOKEN=s3cret\n");
        $this->child = $this->app->start(['rustdaemon:run', 'plant:serve'], options: ['disable_functions=pcntl_exec']);
        $this->app->untilIdle($this->child, token: 's3cret');
        $status = $this->app->client('s3cret')->status();
        self::assertNotSame($this->child->pid(), $status['pid']);
        $this->child->signal(SIGHUP);
        $this->child->eventually('the signal is handed on', fn (): bool
            => $this->app->client('s3cret')->status()['pools'][0]['generation'] === 2);
        $this->child->signal(SIGTERM);
        $ended = $this->child->eventually('it ends', fn (): array => $this->child->ended());
        self::assertSame(0, $ended['exitcode'], $this->child->output());
        self::assertFileDoesNotExist($this->app->socket());
        $this->child = null;
    }

    public function testACachedConfigurationWorks(): void
    {
        $this->pools("'a' => ['artisan' => 'plant:serve', 'workers' => 2]");
        $ended = $this->app->artisan(['config:cache']);
        self::assertSame(0, $ended->code, $ended->output . $ended->error);
        $this->launch([], 2);
        self::assertSame('1', $this->app->client()->call('a.line'));
        self::assertSame(0, $this->app->artisan(['rustdaemon:status'])->code);
    }

    public function testAWorkerAsksAtTheConfiguredSocketWhereverItsSidecarListens(): void
    {
        $other = "{$this->app->path}/other.sock";
        $asked = "{$this->app->path}/asked.sock";
        $this->app->write('.env', "RUSTDAEMON_SOCKET_PATH=$asked\n");
        foreach (['config:clear', 'config:cache'] as $command) {
            self::assertSame(0, $this->app->artisan([$command])->code);
            $child = $this->app->start(['plant:serve', "--socket=$other"]);
            $client = new Client($other, null, 20.0);
            $this->app->untilIdle($child, client: $client);
            self::assertSame([$asked, $other], $client->call('main.sockets'), $command);
            $child->signal(SIGTERM);
            $child->eventually('the sidecar ends', static fn (): bool => $child->ended() !== []);
        }
    }

    /**
     * @dataProvider badInput
     * @param list<string> $words
     * @param array<string, string> $environment
     */
    #[DataProvider('badInput')]
    public function testBadInputIsOneSentence(string $config, array $words, string $said, array $environment = []): void
    {
        $this->app->write('config/rustdaemon.php', "<?php return ['sidecar' => env('RUSTDAEMON_SIDECAR'),
            'socket_mode' => env('RUSTDAEMON_SOCKET_MODE'), $config];");
        $ended = $this->app->artisan(['rustdaemon:run', ...$words], $environment);
        self::assertSame([100, '', "$said\n"], [$ended->code, $ended->output, $ended->error]);
        self::assertFileDoesNotExist($this->app->socket());
    }

    public static function badInput(): iterable
    {
        $file = 'config/rustdaemon.php: ';
        $pool = static fn (string $pool): string => "'pools' => ['a' => [$pool]]";
        $serve = "'artisan' => 'plant:serve'";
        yield ["'pools' => []", [], "{$file}pools: there is none; say which command is to run, such as artisan "
            . 'rustdaemon:run opcua:session'];
        yield ["'pools' => 'a'", [], "{$file}pools: \"a\" is no array of pools by their names"];
        yield ["'pools' => ['a' => 'plant:serve']", [], "{$file}pools.a: is no array, such as ['artisan' => "
            . "'opcua:session']"];
        $one = 'artisan is a command of this application, command a list of a program and its arguments; one of them '
            . 'is wanted, and';
        yield [$pool("'workers' => 2"), [], "{$file}pools.a: $one neither is there"];
        yield [$pool("$serve, 'command' => ['x']"), [], "{$file}pools.a: $one both is there"];
        yield [$pool("'artisan' => 'plant:sreve'"), [], "{$file}pools.a.artisan: artisan has no command "
            . '"plant:sreve"'];
        yield [$pool("'artisan' => 'plant:serve \"a b\"'"), [], "{$file}pools.a.artisan: is a text such as "
            . '"opcua:session --timeout=600", or a list of words; with quotes, or spaces in a word, it is a list'];
        yield [$pool("'artisan' => ['plant:serve', \"\\xff\"]"), [], "{$file}pools, options: Malformed UTF-8 "
            . 'characters, possibly incorrectly encoded'];
        yield [$pool("$serve, 'workers' => 0"), [], "{$file}pools.a.workers: 0 is not a whole number from 1 to 1024"];
        yield [$pool("$serve, 'worker' => 2"), [], "{$file}pools.a.worker: is not a known key; did you mean "
            . '"workers"?'];
        yield [$pool("$serve, 'stop_timeout' => 8"), [], "{$file}pools.a.stop_timeout: 8 is not a duration; write a "
            . 'number and ms, s, m or h, such as 8s'];
        yield [$pool($serve) . ", 'options' => ['log_format' => 'xml']", [], "{$file}options.log_format: \"xml\" is "
            . 'not one of "text", "json"'];
        yield [$pool($serve) . ", 'options' => ['pool' => []], 'pool' => []", [], "{$file}pool: is not known; there is "
            . 'socket, socket_mode, token, timeout, sidecar, log_channel, cache_store, pools, options, on_fork, '
            . 'maintenance'];
        yield [$pool($serve) . ", 'options' => ['socket' => '/tmp/x']", [], "{$file}options.socket: stands at the top "
            . 'of the file, as "socket"'];
        yield [$pool($serve) . ", 'options' => ['pool' => ['x' => []]]", [], "{$file}options.pool: stands at the top "
            . 'of the file, as "pools"'];
        yield [$pool($serve), ['a', 'b'], "{$file}pools: there is no \"b\"; there is a"];
        yield [$pool($serve), ['a', '--nope'], 'The "--nope" option does not exist.'];
        yield [$pool($serve), ['nope'], 'rustdaemon:run: artisan has no command "nope"'];
        yield ["'socket' => ''", ['plant:serve'], "{$file}socket: is not set; give the path of a Unix socket"];
        yield [$pool($serve), ['--nope'], 'The "--nope" option does not exist.'];
        yield [$pool($serve), [], 'the sidecar was not found: sidecar of config/rustdaemon.php is "/no/such", which is '
            . 'not an executable file', ['RUSTDAEMON_SIDECAR' => '/no/such']];
        yield [$pool($serve), [], "{$file}socket_mode: \"888\" is not an octal number from 0 to 0777, such as "
            . '"0660"', ['RUSTDAEMON_SOCKET_MODE' => '888']];
    }

    public function testWithoutTheExtensionNothingIsStarted(): void
    {
        $ended = $this->app->run([PHP_BINARY, 'artisan', 'rustdaemon:run', 'plant:serve']);
        self::assertSame([100, 'a worker needs the extension, which is not loaded: put '
            . 'extension=rustdaemon.so into php.ini, or say php -d extension=rustdaemon.so artisan rustdaemon:run'
            . "\n"], [$ended->code, $ended->error]);
    }

    public function testASidecarThatIsNotFoundIsNamedWithItsPlaces(): void
    {
        copy(getenv('RUSTDAEMON_SO'), "{$this->app->path}/rustdaemon.so");
        $php = [PHP_BINARY, '-d', "extension={$this->app->path}/rustdaemon.so"];
        $command = ['env', 'PATH=/nowhere', ...$php, 'artisan', 'rustdaemon:run', 'plant:serve'];
        $ended = $this->app->run($command);
        self::assertSame([100, 'the sidecar was not found: neither sidecar of config/rustdaemon.php nor '
            . "rustdaemon.sidecar in php.ini is set, {$this->app->path}/rustdaemon is not an executable file, and "
            . "PATH (/nowhere) has no rustdaemon\n"], [$ended->code, $ended->error]);
        $this->app->write('rustdaemon', "#!/bin/sh\necho beside >&2; exit 100\n");
        chmod("{$this->app->path}/rustdaemon", 0700);
        self::assertSame("beside\n", $this->app->run($command)->error);
    }

    public function testNumbersOfTheSidecarMayBeTextInTheConfiguration(): void
    {
        $defaults = $this->app->run([getenv('RUSTDAEMON_BIN'), 'run', '--defaults'])->output;
        preg_match_all('/^(?:# )?(\w+) = -?[\d.]+ /m', $defaults, $found);
        $ours = (new \ReflectionClassConstant(Document::class, 'NUMBERS'))->getValue();
        $theirs = array_diff($found[1], ['token_fd']);
        sort($ours);
        sort($theirs);
        self::assertSame($theirs, $ours);
    }

    private function pools(string $php): void
    {
        $config = file_get_contents(dirname(__DIR__, 2) . '/config/rustdaemon.php');
        $this->app->write('config/rustdaemon.php', str_replace("'pools' => [\n", "'pools' => [\n$php,\n", $config));
    }

    /**
     * @param list<string> $words
     */
    private function launch(array $words, int $workers = 1, ?string $token = null): void
    {
        $this->child = $this->app->start(['rustdaemon:run', ...$words]);
        $this->app->untilIdle($this->child, $workers, $token);
    }
}
