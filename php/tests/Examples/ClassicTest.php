<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Examples;

use PHPUnit\Framework\TestCase;
use RustDaemon\Tests\Service;

/**
 * php/examples/classic.php over a spool directory. A job that is a FIFO is in hand until the test has written it.
 */
final class ClassicTest extends TestCase
{
    private function classic(string ...$flags): Service
    {
        $classic = Service::example('classic.php');
        $classic->supervise($flags, [$classic->path('')]);
        return $classic;
    }

    /**
     * A job appears whole, or not at all.
     */
    private static function put(Service $classic, string $name, string $text): void
    {
        file_put_contents($classic->path("$name.new"), $text);
        rename($classic->path("$name.new"), $classic->path("$name.job"));
    }

    private static function hold(Service $classic, string $name): int
    {
        posix_mkfifo($classic->path("$name.job"), 0600);
        return $classic->eventually("$name is in hand", static function () use ($classic, $name): int {
            $worker = $classic->worker();
            return str_contains($worker['doing_what'] ?? '', "$name.job") ? $worker['pid'] : 0;
        });
    }

    public function testJobsAreDoneAndTakenAway(): void
    {
        $classic = $this->classic();
        self::put($classic, 'a', 'one two three');
        self::put($classic, 'b', 'four');
        $classic->eventually('they are done', static fn (): bool => glob($classic->path('*.job')) === []);
        $classic->stop();
        self::assertStringContainsString("main#0 | a.job: 3 words\n", $classic->output());
        self::assertStringContainsString("main#0 | b.job: 1 words\n", $classic->output());
        self::assertStringContainsString("main#0 | jobs done: 2\n", $classic->output());
    }

    public function testAStopFinishesTheJobInHandAndLeavesTheRestOfTheBatch(): void
    {
        $classic = Service::example('classic.php');
        posix_mkfifo($classic->path('a.job'), 0600);
        self::put($classic, 'b', 'four');
        $classic->supervise([], [$classic->path('')]);
        $inHand = static fn (): bool => ($classic->worker()['doing_what'] ?? '') === 'a.job';
        $classic->eventually('a is in hand', $inHand);
        $classic->terminate();
        $classic->feed($classic->path('a.job'), 'one two');
        $classic->end();
        self::assertStringContainsString("main#0 | a.job: 2 words\n", $classic->output());
        self::assertStringContainsString("main#0 | jobs done: 1\n", $classic->output());
        self::assertSame([$classic->path('b.job')], glob($classic->path('*.job')));
    }

    public function testAKilledWorkersJobIsDoneByTheNextOne(): void
    {
        $classic = $this->classic();
        $killed = self::hold($classic, 'a');
        posix_kill($killed, SIGKILL);
        $pid = $classic->eventually('the next one has it in hand', static function () use ($classic, $killed): int {
            ['doing_what' => $what, 'pid' => $pid] = $classic->worker() + ['doing_what' => '', 'pid' => $killed];
            return $what === 'a.job' && $pid !== $killed ? $pid : 0;
        });
        self::assertGreaterThan(0, $pid);
        $classic->feed($classic->path('a.job'), 'one two three');
        $classic->eventually('it is done', static fn (): bool => glob($classic->path('*.job')) === []);
        $classic->says('a.job: 3 words');
    }

    public function testAProcessThatHasGrownIsReplacedBetweenTwoJobs(): void
    {
        $classic = $this->classic('--memory-soft', '40MiB');
        for ($n = 10; $n < 30; $n++) {
            self::put($classic, "$n", str_repeat('word ', 1_000_000));
        }
        $classic->eventually('they are done', static fn (): bool => glob($classic->path('*.job')) === []);
        $classic->eventually('it was replaced', static fn (): bool
            => ($classic->worker()['last_exit_reason']['reason'] ?? '') === 'memory_soft');
        $classic->stop();
        self::assertSame(20, preg_match_all('/\d\d\.job: 1000000 words/', $classic->output()), 'each once');
    }

    public function testAfterAHundredJobsAnEmptyQueueIsAReasonToStartAnew(): void
    {
        $classic = $this->classic();
        $pid = $classic->worker()['pid'];
        for ($n = 0; $n < 100; $n++) {
            self::put($classic, sprintf('%03d', $n), 'word');
        }
        $isNew = static fn (): bool => !in_array($classic->worker()['pid'] ?? $pid, [$pid, 0], true);
        $classic->eventually('a new process', $isNew);
        self::assertSame([], glob($classic->path('*.job')));
        $classic->says("main#0 | jobs done: 100\n");
        self::assertSame(0, $classic->worker()['last_exit_reason']['code']);
    }
}
