<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use RustDaemon\Tests\Child;
use RustDaemon\Tests\OtherExtension;

/**
 * An artisan command that has become a worker by `use RunsAsWorker;`.
 */
final class WorkerTest extends TestCase
{
    /** A command as it was, and the one line. */
    private const COMMAND = <<<'PHP'
        <?php

        namespace App\Commands;

        use Illuminate\Console\Command;
        use Illuminate\Support\Facades\Cache;
        use Illuminate\Support\Facades\Log;
        use RustDaemon\Laravel\RunsAsWorker;

        final class PlantCommand extends Command
        {
            use RunsAsWorker;

            protected $signature = 'plant:serve {--line=1 : Which line of the plant}';

            protected function workerRefusal(): ?string
            {
                $line = $this->option('line');

                return preg_match('/^[1-9]$/', $line) ? null : "--line=$line: the plant has lines 1 to 9.";
            }

            public function handle(): int
            {
                Log::info('the command begins');
                $this->worker->expose('line', fn (): string => $this->option('line'));
                $this->worker->expose('cache', fn (): string => Cache::getDefaultDriver());
                $this->worker->expose('fail', fn () => exit(7));

                return $this->worker->run();
            }
        }
        PHP;

    private App $app;
    private ?Child $child = null;

    protected function setUp(): void
    {
        $this->app = new App();
        $this->app->write('app/Commands/PlantCommand.php', self::COMMAND);
    }

    protected function tearDown(): void
    {
        if ($this->child !== null) {
            $this->child->signal(SIGTERM);
            $this->child->eventually('the sidecar ends', fn (): bool => !file_exists($this->app->socket()));
        }
    }

    public function testTheCommandServesAndItsOwnOptionsStay(): void
    {
        $this->serve(['--line=7', '--socket-mode=0660', '--cache-store=array']);
        $client = $this->app->client();
        self::assertSame(['7', 'array'], [$client->call('line'), $client->call('cache')]);
        self::assertSame(0660, fileperms($this->app->socket()) & 0777);
        self::assertStringNotContainsString('install() asks', $this->child->output());
    }

    public function testTheTokenOfTheConfigurationIsAskedFor(): void
    {
        $this->app->write('.env', "RUSTDAEMON_TOKEN=s3cret\n");
        $this->serve([], 's3cret');
        self::assertSame('1', $this->app->client('s3cret')->call('line'));
        $ended = $this->app->artisan(['rustdaemon:status']);
        self::assertSame(0, $ended->code, $ended->error);
        $this->expectExceptionMessage('Invalid or missing auth token');
        $this->app->client('wrong')->call('line');
    }

    public function testWhatTheWorkerLogsGoesToTheChannelThatWasTyped(): void
    {
        $this->serve(['--log-channel=plant']);
        self::assertStringContainsString('the command begins', $this->app->read('storage/logs/plant.log'));
        self::assertSame('', $this->app->read('storage/logs/laravel.log'));
    }

    public function testTheLogSaysOnceHowTheOneBeforeEnded(): void
    {
        $this->serve([]);
        $pid = $this->app->client()->status()['workers'][0]['pid'];
        posix_kill($pid, SIGKILL);
        $log = fn (): string => $this->app->read('storage/logs/laravel.log');
        $this->child->eventually('the next one is ready', fn (): bool => substr_count($log(), 'is ready') === 2);
        self::assertSame(1, substr_count($log(), 'WARNING: worker main#0 follows one that ended: killed by SIGKILL'));
        $this->app->client()->call('worker.restart');
        $this->child->eventually('and one more', fn (): bool => substr_count($log(), 'is ready') === 3);
        $said = 'INFO: worker main#0 follows one that ended: exit 0; restarted by an operator';
        self::assertSame(1, substr_count($log(), $said));
        self::assertSame(2, substr_count($log(), 'follows one that ended'));
        self::assertSame(1, substr_count($log(), 'worker main#0 stops'));
        self::assertSame(1, substr_count($log(), 'worker main#0 has ended'));
    }

    public function testAWorkersLifeIsEvents(): void
    {
        $this->app->write('app/Commands/PlantCommand.php', str_replace('protected $sig', <<<'PHP'
            public function __construct()
            {
                parent::__construct();
                $note = static function (string $name, array $event): void {
                    $worker = $event[0]->worker;
                    $line = json_encode([class_basename($name), $worker->slot, $worker->predecessor?->reason]);
                    file_put_contents(storage_path('events'), "$line\n", FILE_APPEND);
                };
                \Illuminate\Support\Facades\Event::listen('RustDaemon\Laravel\Events\*', $note);
            }

            protected $sig
            PHP, self::COMMAND));
        $this->serve([]);
        $client = $this->app->client();
        $client->call('worker.pause');
        $client->call('worker.resume');
        $client->call('worker.restart');
        $events = fn (): array => explode("\n", $this->app->read('storage/events'), -1);
        $this->child->eventually('the next one is ready', static fn (): bool => count($events()) >= 8);
        $life = ['WorkerStarted', 'WorkerReady', 'WorkerPaused', 'WorkerResumed', 'WorkerStopping', 'WorkerStopped'];
        $expected = array_map(static fn (string $name): string => "[\"$name\",0,null]", $life);
        $next = ['["WorkerStarted",0,"restart"]', '["WorkerReady",0,"restart"]'];
        self::assertSame([...$expected, ...$next], $events());
        $log = $this->app->read('storage/logs/laravel.log');
        foreach (['is paused', 'goes on', 'stops', 'has ended'] as $said) {
            self::assertStringContainsString("INFO: worker main#0 $said", $log);
        }
    }

    /**
     * @dataProvider declared
     * @param list<string> $words
     */
    #[DataProvider('declared')]
    public function testAnOptionThatTheCommandDeclaresItselfStaysItsOwn(
        string $option,
        array $words,
        mixed $value,
    ): void {
        $name = preg_match('/^[a-z-]+/', $option, $found) === 1 ? $found[0] : '';
        $expose = "expose('own', fn () => \$this->option('$name'));\n\$this->worker->expose('cache'";
        $own = ['{--line=1' => "{--$option} {--line=1", "expose('cache'" => $expose];
        $this->app->write('app/Commands/PlantCommand.php', strtr(self::COMMAND, $own));
        $this->serve($words);
        $client = $this->app->client();
        self::assertSame([$value, '1', 'file'], [$client->call('own'), $client->call('line'), $client->call('cache')]);
        self::assertStringContainsString('the command begins', $this->app->read('storage/logs/laravel.log'));
    }

    public static function declared(): iterable
    {
        yield 'a flag' => ['socket', ['--socket'], true];
        yield 'of a PLC' => ['socket=tcp://10.0.0.5:4840 : address of the PLC', [], 'tcp://10.0.0.5:4840'];
        yield 'a mode' => ['socket-mode=keepalive', [], 'keepalive'];
        yield 'several' => ['log-channel=*', ['--log-channel=a', '--log-channel=b'], ['a', 'b']];
        yield 'a warehouse' => ['cache-store=', ['--cache-store=Hamburg'], 'Hamburg'];
    }

    public function testAnOptionThatTheCommandDeclaresItselfIsADefaultWhereItSaysSo(): void
    {
        $declared = strtr(self::COMMAND, ['{--line=1' => '{--log-channel=plant : Ours} {--line=1',
            'protected function workerR' => "protected function workerDefaults(): array
            {
                return ['log_channel' => \$this->option('log-channel')];
            }

            protected function workerR"]);
        $this->app->write('app/Commands/PlantCommand.php', $declared);
        $this->serve([]);
        self::assertStringContainsString('the command begins', $this->app->read('storage/logs/plant.log'));
    }

    /**
     * @dataProvider badInput
     * @param list<string> $words
     * @param array<string, string> $environment
     */
    #[DataProvider('badInput')]
    public function testBadInputIsOneSentenceBeforeAnythingIsOpened(
        array $words,
        string $sentence,
        array $environment = [],
    ): void {
        $ended = $this->app->artisan(['plant:serve', ...$words], $environment);
        $sentence = strtr($sentence, ['APP' => $this->app->path]);
        $said = preg_replace('/which has [a-z, ]*\b(laravel|file)\b[a-z, ]*/', 'which has NAMES', $ended->error);
        self::assertSame([100, '', "$sentence\n"], [$ended->code, $ended->output, $said]);
        self::assertSame('', $this->app->read('storage/logs/laravel.log'));
        self::assertFileDoesNotExist($this->app->socket());
    }

    public static function badInput(): iterable
    {
        $file = 'config/rustdaemon.php: ';
        yield [['--nope'], 'The "--nope" option does not exist.'];
        yield [['--line=0'], '--line=0: the plant has lines 1 to 9.'];
        yield [['--socket-mode='], '--socket-mode wants a value.'];
        yield [['--socket-mode=rw'], '--socket-mode=rw: "rw" is not an octal number from 0 to 0777, such as "0660"'];
        yield [['--socket=/tmp/'], '--socket=/tmp/: "/tmp/" is a directory; give the path of a Unix socket'];
        yield [['--log-channel=x'], '--log-channel=x: is not in config/logging.php, which has NAMES'];
        yield [['--cache-store=x'], '--cache-store=x: is not in config/cache.php, which has NAMES'];
        yield [[], "{$file}log_channel: \"x\" is not in config/logging.php, which has NAMES", [
            'RUSTDAEMON_LOG_CHANNEL' => 'x']];
        yield [[], "{$file}socket: \"tcp://x:1\" is a URL; give the path of a Unix socket", [
            'RUSTDAEMON_SOCKET_PATH' => 'tcp://x:1']];
        yield [[], 'RUSTDAEMON="x" in the environment is not known: only "off" is', ['RUSTDAEMON' => 'x']];
    }

    public function testAnEmptyTokenInDotEnvOpensTheSocketToNobody(): void
    {
        $this->app->write('.env', "RUSTDAEMON_TOKEN=\n");
        $ended = $this->app->artisan(['plant:serve']);
        $sentence = "config/rustdaemon.php: token: is empty; a token has 1 to 4096 bytes\n";
        self::assertSame([100, $sentence], [$ended->code, $ended->error]);
    }

    public function testAMissingSidecarIsOneSentence(): void
    {
        $php = [PHP_BINARY, '-d', 'extension=' . getenv('RUSTDAEMON_SO'), '-d', 'rustdaemon.sidecar=/no/such'];
        $ended = $this->app->run([...$php, 'artisan', 'plant:serve']);
        self::assertSame([100, 1], [$ended->code, substr_count($ended->error, "\n")]);
        self::assertStringStartsWith('the sidecar was not found: rustdaemon.sidecar = "/no/such"', $ended->error);
    }

    public function testAnExtensionOfAnotherVersionIsOneSentenceAndNothingElseMindsIt(): void
    {
        foreach (['0.0.9' => 'needs 0.1.0 or later', '9.0.0' => 'knows versions below'] as $version => $why) {
            $other = new OtherExtension($version);
            $php = [PHP_BINARY, '-d', "extension=$other->path", 'artisan'];
            $ended = $this->app->run([...$php, 'plant:serve']);
            self::assertSame([100, ''], [$ended->code, $ended->output], 'install() would have printed');
            self::assertSame(1, substr_count($ended->error, "\n"), $ended->error);
            self::assertStringStartsWith("ext-rustdaemon $version is loaded, and this", $ended->error);
            self::assertStringContainsString($why, $ended->error);
            $listed = $this->app->run([...$php, 'list', '--raw']);
            self::assertSame([0, ''], [$listed->code, $listed->error]);
        }
    }

    public function testTheStatusSaysThatNoWorkerCanStartHere(): void
    {
        $this->serve([]);
        $other = new OtherExtension('0.0.9');
        $ended = $this->app->run([PHP_BINARY, '-d', "extension=$other->path", 'artisan', 'rustdaemon:status']);
        self::assertSame(0, $ended->code, $ended->error);
        self::assertStringContainsString('No worker can start here: ext-rustdaemon 0.0.9 is loaded', $ended->output);
        self::assertStringNotContainsString('No worker', $this->app->artisan(['rustdaemon:status'])->output);
    }

    public function testWithoutTheExtensionTheCommandRunsAndThatIsSaid(): void
    {
        $once = str_replace('->worker->run()', '->worker->supervised() ? 1 : 0', self::COMMAND);
        $this->app->write('app/Commands/PlantCommand.php', $once);
        $ended = $this->app->run([PHP_BINARY, 'artisan', 'plant:serve']);
        self::assertSame(0, $ended->code, $ended->output . $ended->error);
        $said = 'rustdaemon: ext-rustdaemon is not loaded: this worker runs unsupervised, and nobody listens on ';
        self::assertSame("$said{$this->app->socket()}\n", $ended->error);
        self::assertStringContainsString('the command begins', $this->app->read('storage/logs/laravel.log'));
    }

    public function testAWorkerOfASidecarWithoutTheExtensionIsOneSentence(): void
    {
        $ended = $this->app->run([PHP_BINARY, 'artisan', 'plant:serve'], ['RUSTDAEMON_LINK' => 'in=998:1 out=999:1']);
        self::assertSame([100, '', 1], [$ended->code, $ended->output, substr_count($ended->error, "\n")]);
        self::assertStringContainsString('needs ext-rustdaemon, which is not loaded', $ended->error);
    }

    public function testAListenerThatThrowsEndsEachWorkerAsThePageSays(): void
    {
        $this->app->write('app/Commands/PlantCommand.php', str_replace(
            "Log::info('the command begins');",
            "\\Illuminate\\Support\\Facades\\Event::listen(\\RustDaemon\\Laravel\\Events\\WorkerReady::class,
                fn () => throw new \\LogicException('a listener of mine'));",
            self::COMMAND,
        ));
        $this->child = $this->app->start(['plant:serve']);
        $client = $this->app->client();
        $last = $this->child->eventually('it waits for its third start', function () use ($client): ?string {
            $worker = file_exists($this->app->socket()) ? $client->status()['workers'][0] : [];
            return ($worker['restarts'] ?? 0) >= 2 && $worker['state'] === 'backoff' ? $worker['last_exit'] : null;
        });
        self::assertStringStartsWith('exit 1', $last);
        self::assertStringContainsString('a listener of mine', $this->app->read('storage/logs/laravel.log'));
    }

    public function testATestRunsTheCommandInItsOwnProcess(): void
    {
        $this->app->write('app/Commands/TryCommand.php', <<<'PHP'
            <?php

            namespace App\Commands;

            use RustDaemon\Testing\TestWorker;

            final class TryCommand extends \Illuminate\Console\Command
            {
                protected $signature = 'try';

                public function handle(): void
                {
                    class_alias(self::class, 'PHPUnit\Framework\TestCase'); // as if PHPUnit were running
                    echo $this->call('plant:serve', ['--line' => '6']), "\n";
                    \RustDaemon::fakeWorker(function (TestWorker $worker): void {
                        echo $worker->client()->call('line'), "\n";
                    });
                    echo $this->call('plant:serve', ['--line' => '7', '--log-channel' => 'plant']), "\n";
                }
            }
            PHP);
        $ended = $this->app->artisan(['try']);
        $said = 'PHPUnit would become the sidecar: say RustDaemon::fakeWorker() before the command';
        self::assertSame("$said\n100\n7\n0\n", $ended->output . $ended->error);
        self::assertStringContainsString('worker main#0 has ended', $this->app->read('storage/logs/plant.log'));
    }

    /**
     * @param list<string> $words
     */
    private function serve(array $words, ?string $token = null): void
    {
        $this->child = $this->app->start(['plant:serve', ...$words]);
        $this->app->untilIdle($this->child, token: $token);
    }
}
