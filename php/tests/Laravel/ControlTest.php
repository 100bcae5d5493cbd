<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use RustDaemon\Tests\Daemon;

/**
 * rustdaemon:status, reload, restart, stop: against a real sidecar, and against none.
 */
final class ControlTest extends TestCase
{
    private static ?App $app;
    private static ?Daemon $daemon;

    public static function setUpBeforeClass(): void
    {
        self::$app = new App();
        self::$daemon = new Daemon(['--workers', '2']);
    }

    public static function tearDownAfterClass(): void
    {
        self::$daemon = self::$app = null;
    }

    /**
     * @param list<string> $words
     */
    private static function ask(array $words): Ended
    {
        return self::$app->artisan($words, ['RUSTDAEMON_SOCKET_PATH' => self::$daemon->socket()]);
    }

    public function testStatusIsThatOfTheSidecarsOwnCommand(): void
    {
        $client = self::$daemon->client();
        posix_kill($client->status()['workers'][0]['pid'], SIGKILL);
        self::$daemon->eventually('it has a successor', static function () use ($client): bool {
            $workers = $client->status()['workers'];
            return array_column($workers, 'state') === ['idle', 'idle'] && $workers[0]['restarts'] > 0;
        });
        $theirs = self::$app->run([getenv('RUSTDAEMON_BIN'), 'status', '--socket', self::$daemon->socket()]);
        $ours = self::ask(['rustdaemon:status']);
        self::assertStringContainsString('killed by SIGKILL', $theirs->output);
        self::assertSame(self::withoutTimes($theirs->output), self::withoutTimes($ours->output), $ours->error);
        self::assertSame(0, $ours->code);
    }

    private static function withoutTimes(string $text): string
    {
        $text = preg_replace('/\d+(\.\d)? (s|min|MiB)\b/', 'N $2', $text);
        return preg_replace('/ +(?=\S)(?<!^ )/m', ' ', $text);
    }

    public function testStatusForScriptsIsWhatTheDaemonHasAnswered(): void
    {
        $ended = self::ask(['rustdaemon:status', '--json']);
        $keys = static fn (array $status): array => array_keys($status['workers'][0]);
        $answer = json_decode($ended->output, true, flags: JSON_THROW_ON_ERROR);
        self::assertSame($keys(self::$daemon->client()->status()), $keys($answer));
    }

    public function testAParkedWorkerIsBadNews(): void
    {
        $app = new App();
        $app->write('config/rustdaemon.php', "<?php return ['socket' => storage_path('framework/rustdaemon.sock'),
            'pools' => ['x' => ['command' => ['false'], 'link' => false, 'start_limit' => 1]]];");
        $child = $app->start(['daemon:run']);
        $ended = $child->eventually('it is parked', static function () use ($app): ?Ended {
            $ended = $app->artisan(['rustdaemon:status']);
            return str_contains($ended->output, 'parked') ? $ended : null;
        });
        self::assertSame(1, $ended->code, $ended->output);
        $child->signal(SIGTERM);
        $child->eventually('it ends', static fn (): array => $child->ended());
    }

    public function testRestartSaysWhatWorkersHaveComeTo(): void
    {
        $before = array_column(self::$daemon->client()->status()['workers'], 'pid');
        $ended = self::ask(['rustdaemon:restart', 'main#1']);
        $after = array_column(self::$daemon->client()->status()['workers'], 'pid');
        self::assertSame([0, "main#1 is idle (pid $after[1])\n"], [$ended->code, $ended->output], $ended->error);
        self::assertSame([true, false], [$before[0] === $after[0], $before[1] === $after[1]]);
    }

    public function testReloadSaysWhichGenerationServes(): void
    {
        $now = self::$daemon->client()->status()['pools'][0]['generation'];
        $ended = self::ask(['daemon:reload']);
        self::assertSame([0, 'main: generation ' . $now + 1 . " serves\n"], [$ended->code, $ended->output]);
    }

    public function testAnErrorOfTheDaemonIsBadNews(): void
    {
        foreach (['restart', 'reload', 'stop'] as $verb) {
            $ended = self::ask(["rustdaemon:$verb", 'nope']);
            self::assertSame([1, '', 1], [$ended->code, $ended->output, substr_count($ended->error, "\n")]);
            self::assertStringContainsString('nope', $ended->error);
        }
    }

    public function testStopEndsTheDaemon(): void
    {
        $daemon = new Daemon();
        $ended = self::$app->artisan(['daemon:stop', '--socket', $daemon->socket()]);
        self::assertSame([0, "stopping\n"], [$ended->code, $ended->output], $ended->error);
        $daemon->eventually('the socket is gone', static fn (): bool => !file_exists($daemon->socket()));
    }

    public function testNobodyListens(): void
    {
        $ended = self::$app->artisan(['daemon:status']);
        $socket = self::$app->socket();
        self::assertSame([111, ''], [$ended->code, $ended->output]);
        self::assertSame("nobody listens at $socket: there is no such socket; is the daemon running?\n", $ended->error);
    }

    /**
     * @dataProvider badInput
     * @param list<string> $words
     */
    #[DataProvider('badInput')]
    public function testBadInputIsOneSentence(array $words, string $sentence): void
    {
        $ended = self::$app->artisan($words);
        self::assertSame([100, '', "$sentence\n"], [$ended->code, $ended->output, $ended->error]);
    }

    public static function badInput(): iterable
    {
        yield [['rustdaemon:status', '--nope'], 'The "--nope" option does not exist.'];
        yield [['rustdaemon:status', 'x'], 'No arguments expected for "rustdaemon:status" command, got "x".'];
        yield [['rustdaemon:status', '--timeout=0'], '--timeout=0: is no number of seconds greater than 0'];
        yield [['rustdaemon:reload', '--timeout'], 'The "--timeout" option requires a value.'];
        yield [['rustdaemon:stop', '--socket=http://x'], '--socket=http://x: is no path of a Unix socket, '
            . 'and no tcp://address:port'];
    }
}
