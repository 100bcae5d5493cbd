<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\Attributes\RequiresPhpExtension;
use PHPUnit\Framework\TestCase;
use RustDaemon\Client\RemoteException;
use RustDaemon\Tests\Laravel\Jobs\Work;
use RustDaemon\Tests\RedisServer;

/**
 * `php artisan queue:work` under a sidecar, without a word about us in the application.
 */
final class QueueWorkerTest extends TestCase
{
    private const FAST = '--sleep=0.01';

    private QueueApp $queue;

    protected function setUp(): void
    {
        $this->queue = new QueueApp();
    }

    protected function tearDown(): void
    {
        unset($this->queue); // PHPUnit keeps the test, and with it what it has started, to the end of all tests
    }

    public function testJobsAreDone(): void
    {
        $this->queue->work([self::FAST]);
        $this->queue->idle();
        $this->untilTermIsLaravels();
        $this->queue->push('one');
        $this->queue->push('two');
        $this->queue->untilNotes('one begins', 'one ends', 'two begins', 'two ends');
        $this->queue->untilEmpty();
        self::assertSame(0, $this->queue->count('failed_jobs'));
    }

    public function testTheStatusSaidThatOnlyTheSidecarsOrderStopsIt(): void
    {
        $this->queue->work([self::FAST]);
        $this->queue->idle();
        $this->untilTermIsLaravels();
        $theirs = $this->queue->app->run([getenv('RUSTDAEMON_BIN'), 'status', '--socket', $this->queue->app->socket()]);
        $ours = $this->queue->app->artisan(['rustdaemon:status']);
        $note = static fn (Ended $ended): array => preg_grep('/^ +its script /', explode("\n", $ended->output));
        self::assertMatchesRegularExpression('/^ +its script handles .*SIGTERM.* itself$/', implode($note($ours)));
        self::assertSame(array_values($note($theirs)), array_values($note($ours)));
    }

    public function testAJobInHandIsNamed(): void
    {
        $this->queue->push('one', 'hold');
        $this->queue->work([self::FAST]);
        $this->queue->untilNotes('one begins');
        self::assertSame(['busy', Work::class], $this->doing());
        $this->queue->release();
        $this->queue->idle();
    }

    public function testAJobInAJobDoesNotHideTheOuterOne(): void
    {
        $this->queue->push('outer', 'nest');
        $this->queue->work([self::FAST]);
        $this->queue->untilNotes('outer begins', 'inner begins', 'inner ends');
        self::assertSame(['busy', Work::class], $this->doing());
        $this->queue->release();
        $this->queue->idle();
        $this->queue->untilNotes('outer begins', 'inner begins', 'inner ends', 'outer ends');
    }

    public function testAFailedJobLeavesTheWorkerIdleAndAlive(): void
    {
        $this->queue->push('one', 'fail');
        $this->queue->push('two');
        $this->queue->work([self::FAST, '--tries=1']);
        $this->queue->untilNotes('one begins', 'two begins', 'two ends');
        $this->queue->idle();
        self::assertSame([1, 0], [$this->queue->count('failed_jobs'), $this->queue->worker()['restarts']]);
    }

    public function testAnotherAttemptIsSaid(): void
    {
        $this->queue->push('one', 'fail, then hold');
        $this->queue->work([self::FAST, '--tries=2']);
        $this->queue->untilNotes('one begins', 'one begins');
        self::assertSame(['busy', Work::class . ' (attempt 2)'], $this->doing());
        $this->queue->release();
        $this->queue->untilNotes('one begins', 'one begins', 'one ends');
    }

    public function testTheJobsTimeoutIsTheReasonOfTheEnd(): void
    {
        $this->queue->push('one', 'hold', timeout: 1);
        $this->queue->work([self::FAST, '--tries=1']);
        self::assertSame('killed by SIGKILL; it was busy with ' . Work::class
            . ' (ran longer than its timeout of 1 s: queue:work kills itself)', $this->queue->lastExit());
        $this->queue->push('two');
        $this->queue->untilNotes('one begins', 'two begins', 'two ends');
        self::assertSame(1, $this->queue->count('failed_jobs'));
    }

    public function testAJobThatItsTimeoutCannotReachIsAHang(): void
    {
        posix_mkfifo("{$this->queue->app->path}/storage/fifo", 0600); // nobody writes to it
        $this->queue->push('one', 'block');
        $flags = ['--hang-timeout=1s', '--hang-action=restart', '--stop-timeout=1s'];
        $this->queue->work([self::FAST, '--timeout=1'], $flags);
        $exit = $this->queue->lastExit();
        $expected = 'killed by SIGKILL; it hung: blocked ' . Work::class . ', in fread() at ';
        self::assertStringStartsWith($expected, $exit);
        self::assertGreaterThan(6.0, $this->queue->worker()['last_exit_reason']['ran'], 'its timeout comes first');
    }

    public function testWhoIsKilledInAJobLeavesItsName(): void
    {
        $this->queue->push('one', 'hold');
        $this->queue->work([self::FAST]);
        $this->queue->untilNotes('one begins');
        posix_kill($this->queue->worker()['pid'], SIGKILL);
        self::assertSame('killed by SIGKILL; it was busy with ' . Work::class, $this->queue->lastExit());
    }

    public function testAFatalErrorInAJob(): void
    {
        $this->queue->push('one', 'memory');
        $this->queue->work([self::FAST]);
        $exit = $this->queue->lastExit();
        self::assertStringContainsString('Allowed memory size', $exit);
        self::assertStringEndsWith('; it was busy with ' . Work::class, $exit);
    }

    /**
     * @return iterable<string, array{list<string>, string}>
     */
    public static function ends(): iterable
    {
        yield 'jobs' => [['--max-jobs=1'], 'exit 0; it was busy with queue:work (stops: it has done --max-jobs=1)'];
        yield 'time' => [['--max-time=1'], 'exit 0; it was busy with queue:work (stops: it has run for --max-time=1)'];
        yield 'empty' => [['--stop-when-empty'], 'exit 0; it was busy with queue:work (stops: the queue is empty)'];
        yield 'memory' => [['--memory=1'],
            'exit 12; it was busy with queue:work (stops: it has used more than --memory=1)'];
    }

    /**
     * @dataProvider ends
     * @param list<string> $words
     */
    #[DataProvider('ends')]
    public function testItSaysWhyItEnds(array $words, string $expected): void
    {
        $this->queue->push('one');
        $this->queue->work([self::FAST, ...$words]);
        // An exception that Laravel has caught may follow.
        self::assertStringStartsWith($expected, $this->queue->lastExit());
        $this->queue->untilNotes('one begins', 'one ends');
    }

    public function testQueueRestartIsSaid(): void
    {
        $this->queue->work([self::FAST]);
        $this->queue->idle();
        self::assertSame(0, $this->queue->app->artisan(['queue:restart'])->code);
        $expected = 'exit 0; it was busy with queue:work (stops: artisan queue:restart)';
        self::assertStringStartsWith($expected, $this->queue->lastExit());
    }

    public function testAPauseHoldsBetweenTwoJobs(): void
    {
        $this->queue->push('one', 'hold');
        $this->queue->push('two');
        $this->queue->work([self::FAST]);
        $this->queue->untilNotes('one begins');
        $client = $this->queue->app->client();
        $pause = $client->begin('worker.pause');
        $client->ping(); // it has arrived
        self::assertSame('busy', $this->queue->worker()['state'], 'not in the middle of a job');
        $this->queue->release();
        $pause->result();
        self::assertSame('paused', $this->queue->worker()['state']);
        self::assertSame(['one begins', 'one ends'], $this->queue->notes());
        $client->call('worker.resume');
        $this->queue->untilNotes('one begins', 'one ends', 'two begins', 'two ends');
        $client->call('worker.pause'); // once more
        $client->call('worker.resume');
        $this->queue->idle();
    }

    public function testAPausedOneStopsAtOnce(): void
    {
        $this->queue->work([self::FAST]);
        $this->queue->idle();
        $client = $this->queue->app->client();
        $client->call('worker.pause');
        $client->call('worker.restart');
        self::assertSame('exit 0; restarted by an operator', $this->queue->lastExit());
        self::assertSame('paused', $this->queue->eventually('it is paused', fn () => $this->state('paused')));
        $client->call('worker.resume');
        $this->queue->idle();
    }

    /**
     * @return iterable<string, array{string}>
     */
    public static function orders(): iterable
    {
        yield 'reload' => ['daemon.reload'];
        yield 'restart' => ['worker.restart'];
    }

    /**
     * @dataProvider orders
     */
    #[DataProvider('orders')]
    public function testNothingIsLostOrDoneTwice(string $order): void
    {
        $this->queue->push('one', 'hold');
        $this->queue->push('two');
        $this->queue->work([self::FAST]);
        $this->queue->untilNotes('one begins');
        $pid = $this->queue->worker()['pid'];
        $client = $this->queue->app->client();
        $answer = $client->begin($order);
        $this->queue->eventually('it drains', fn () => $this->state('draining'));
        self::assertSame(['one begins'], $this->queue->notes());
        $this->queue->release();
        $answer->result();
        $this->queue->untilNotes('one begins', 'one ends', 'two begins', 'two ends');
        $this->queue->idle();
        $this->queue->untilEmpty();
        self::assertNotSame($pid, $this->queue->worker()['pid']);
        self::assertSame(0, $this->queue->count('failed_jobs'));
    }

    /**
     * @requires extension redis
     */
    #[RequiresPhpExtension('redis')]
    public function testAReloadOfAPoolInTheMiddleOfItsWork(): void
    {
        $redis = new RedisServer();
        $this->queue = new QueueApp($redis);
        $this->queue->run(workers: 2);
        $this->queue->idle(2);
        $this->queue->push('first,second', 'hold'); // one for each
        $this->queue->eventually('both are at work', fn (): bool => count($this->queue->notes()) === 2);
        $this->queue->push('1,2,3,4,5,6,7,8,9,10');
        $client = $this->queue->app->client();
        $reload = $client->begin('daemon.reload');
        $late = $client->begin('ping'); // the reload has been taken on
        $late->result();
        $this->queue->release();
        $reload->result();
        $this->queue->eventually('all is done', fn (): bool => count($this->queue->notes()) >= 24);
        $this->queue->idle(2);
        $times = array_count_values($this->queue->notes());
        self::assertSame([24, [1]], [count($times), array_values(array_unique($times))], 'each once');
        self::assertSame([2, 2], array_column($client->status()['workers'], 'generation'));
    }

    public function testTheStopOfTheSidecarFinishesTheJob(): void
    {
        $this->queue->push('one', 'hold');
        $this->queue->push('two');
        $sidecar = $this->queue->work([self::FAST]);
        $this->queue->untilNotes('one begins');
        $sidecar->signal(SIGTERM);
        $this->queue->eventually('it drains', fn () => $this->state('draining'));
        $this->queue->release();
        $this->queue->eventually('it has ended', fn (): bool => $sidecar->ended() !== []);
        self::assertSame(['one begins', 'one ends'], $this->queue->notes());
        self::assertSame(1, $this->queue->count('jobs'), 'two waits for the next one');
    }

    public function testASigtermFromOutsideLeftNoReason(): void
    {
        $this->queue->push('one', 'hold');
        $this->queue->work([self::FAST]);
        $this->queue->untilNotes('one begins');
        posix_kill($this->queue->worker()['pid'], SIGTERM);
        $this->queue->release();
        $expected = 'exit 0; it was busy with queue:work (stops: SIGTERM from outside)';
        self::assertSame($expected, $this->queue->lastExit());
        self::assertSame(['one begins', 'one ends'], $this->queue->notes());
    }

    public function testARestartIsNoSigtermFromOutside(): void
    {
        $this->queue->work([self::FAST]);
        $this->queue->idle();
        $this->queue->app->client()->call('worker.restart');
        self::assertSame('exit 0; restarted by an operator', $this->queue->lastExit());
    }

    public function testAnInterruptEndsIt(): void
    {
        $this->queue->work([self::FAST]);
        $this->queue->idle();
        posix_kill($this->queue->worker()['pid'], SIGINT); // not Laravel's in 8.83
        self::assertStringStartsWith('exit 0', $this->queue->lastExit());
    }

    public function testItIsReadyWhileTheApplicationIsDown(): void
    {
        self::assertSame(0, $this->queue->app->artisan(['down'])->code);
        $this->queue->push('one');
        $this->queue->work([self::FAST]);
        $this->queue->idle();
        self::assertSame([], $this->queue->notes());
        self::assertSame(0, $this->queue->app->artisan(['up'])->code);
        $this->queue->untilNotes('one begins', 'one ends');
    }

    public function testInMaintenanceLaravelPausesIt(): void
    {
        $this->queue->work([self::FAST]);
        $this->queue->idle();
        $ended = $this->queue->app->artisan(['down'], ['RUSTDAEMON_PAUSE_WHEN_DOWN' => 'true']);
        self::assertSame([0, ''], [$ended->code, $ended->error], 'nobody waits for a loop that asks nobody');
        $this->queue->push('one');
        self::assertSame(['idle', []], [$this->queue->worker()['state'], $this->queue->notes()]);
        self::assertSame(0, $this->queue->app->artisan(['up'], ['RUSTDAEMON_PAUSE_WHEN_DOWN' => 'true'])->code);
        $this->queue->untilNotes('one begins', 'one ends');
    }

    public function testAWrongConfigurationIsOneSentenceAndExitCode100(): void
    {
        $sidecar = $this->queue->run(1);
        $this->queue->idle();
        $this->queue->app->write('config/rustdaemon.php', '<?php return ["sock_mode" => "0660"];');
        try {
            $this->queue->app->client()->call('daemon.reload');
            self::fail('the new generation does not start');
        } catch (RemoteException $why) {
            self::assertStringContainsString('exit 100', $why->getMessage());
        }
        $lines = explode("\n", $sidecar->output());
        $said = preg_grep('~config/rustdaemon.php: sock_mode: is not known; there is socket, ~', $lines);
        self::assertNotSame([], $said, $sidecar->output());
        self::assertStringNotContainsString('Refusal.php', $sidecar->output());
        $this->queue->idle();
    }

    public function testASocketModeThatIsTheSidecarsBusinessIsNotAskedForAgain(): void
    {
        $this->queue->run(1);
        $this->queue->idle();
        $this->queue->app->write('config/rustdaemon.php', '<?php return ["socket_mode" => "0999", "token" => ""];');
        $this->queue->app->client()->call('daemon.reload');
        $this->queue->idle();
        self::assertSame(2, $this->queue->worker()['generation']);
    }

    public function testWithoutASidecarNothingChanges(): void
    {
        $this->queue->push('one');
        $ended = $this->queue->app->artisan(['queue:work', '--stop-when-empty']);
        self::assertSame(0, $ended->code, $ended->output . $ended->error);
        self::assertSame(['one begins', 'one ends'], $this->queue->notes());
    }

    public function testWithoutALinkNothingChanges(): void
    {
        $this->queue->push('one');
        $this->queue->work([self::FAST], ['--no-link']);
        $this->queue->untilNotes('one begins', 'one ends');
        self::assertSame([], $this->queue->worker()['signals_taken'] ?? []);
    }

    /**
     * @return array{string, string}
     */
    private function doing(): array
    {
        $worker = $this->queue->eventually('it is busy', fn () => $this->state('busy') ? $this->queue->worker() : null);
        return [$worker['state'], $worker['doing_what']];
    }

    private function untilTermIsLaravels(): void
    {
        $taken = fn (): array => $this->queue->worker()['signals_taken'] ?? [];
        $this->queue->eventually('Laravel handles SIGTERM', fn (): bool => in_array('SIGTERM', $taken(), true));
    }

    private function state(string $state): ?string
    {
        return ($this->queue->worker()['state'] ?? null) === $state ? $state : null;
    }
}
