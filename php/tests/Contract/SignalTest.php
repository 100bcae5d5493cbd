<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Contract;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\Attributes\RequiresPhpExtension;
use PHPUnit\Framework\TestCase;

/**
 * What holds for Signal in the extension and in its polyfill on ext-pcntl.
 *
 * @requires extension pcntl
 * @requires extension posix
 */
#[RequiresPhpExtension('pcntl')]
#[RequiresPhpExtension('posix')]
final class SignalTest extends TestCase
{
    /** In front of a script: runs a function in a child by pcntl_fork(), and says what else than its end has killed it. */
    private const CHILD = '$child = function (callable $main): void {
        if (($pid = pcntl_fork()) === 0) {
            $main();
            posix_kill(getmypid(), SIGKILL);
        }
        pcntl_waitpid($pid, $status);
        pcntl_wtermsig($status) === SIGKILL || print "killed by " . pcntl_wtermsig($status) . "\n";
    }; ';

    /** $terminate(): a child sends SIGTERM when this process sleeps, as proc(5) has it. */
    private const TERM_WHEN_IT_SLEEPS = '$terminate = function (): void {
        if (pcntl_fork() === 0) {
            $parent = posix_getppid();
            while (!str_contains(file_get_contents("/proc/$parent/stat"), ") S ")) {
                usleep(1000);
            }
            posix_kill($parent, SIGTERM);
            posix_kill(getmypid(), SIGKILL);
        }
    }; ';

    public function testAHandlerGetsTheSignal(): void
    {
        self::assertSame("[10,\"SIGUSR1\",true,true,1,null]\n[10,\"SIGUSR1\",true,true,2,null]", Script::run(<<<'PHP'
            Signal::on(['USR1', Signal::USR2], function (SignalInfo $s): void {
                echo json_encode([$s->signal, $s->name, $s->senderPid === getmypid(), $s->senderUid === posix_getuid(),
                    $s->count, $s->value]), "\n";
            });
            Signal::send(getmypid(), SIGUSR1);
            Signal::send(getmypid(), 'usr1');
            Signal::off([10, '12']);
            PHP));
    }

    public function testHandlersRunInOrderOneAtATime(): void
    {
        self::assertSame('USR1( )USR1 USR2()USR2', Script::run(<<<'PHP'
            Signal::on('USR1', function (): void {
                echo 'USR1(';
                Signal::send(getmypid(), 'USR2');
                for ($i = 0; $i < 1000; $i++) {
                    abs($i);
                }
                echo ' )USR1 ';
            });
            Signal::on('USR2', fn () => print 'USR2()USR2');
            Signal::send(getmypid(), 'USR1');
            PHP));
    }

    public function testWhatAHandlerThrowsLeavesTheCodeThatItInterrupted(): void
    {
        self::assertSame('second enough', Script::run(<<<'PHP'
            Signal::on('USR1', fn () => throw new DomainException('enough'));
            Signal::on('USR2', fn () => print 'second ');
            try {
                Signal::critical(function (): void {
                    Signal::send(getmypid(), 'USR1');
                    Signal::send(getmypid(), 'USR2');
                });
            } catch (DomainException $e) {
                echo $e->getMessage();
            }
            PHP));
    }

    public function testACriticalSectionDelaysHandlers(): void
    {
        self::assertSame('in out(USR1) 7', Script::run(<<<'PHP'
            Signal::on('USR1', fn (SignalInfo $s) => print '(USR1) ');
            $value = Signal::critical(function (): int {
                Signal::send(getmypid(), 'USR1');
                echo 'in out';
                return 7;
            }, 'USR1');
            echo $value;
            PHP));
    }

    public function testWaitReturnsTheSignalInsteadOfCallingItsHandler(): void
    {
        self::assertSame('SIGUSR1 null null USR2 SIGUSR1', Script::run(<<<'PHP'
            Signal::on('USR1', fn () => print 'never');
            Signal::on('USR2', fn () => print 'USR2 ');
            Signal::critical(fn () => Signal::send(getmypid(), 'USR1') ?? print Signal::wait(null, 'USR1')->name . ' ');
            echo json_encode(Signal::wait(0.0, 'USR1')), ' ', json_encode(Signal::wait(0.05, 'USR1')), ' ';
            if (($child = pcntl_fork()) === 0) {
                usleep(50_000);
                posix_kill(posix_getppid(), SIGUSR2);
                usleep(50_000);
                posix_kill(posix_getppid(), SIGUSR1);
                posix_kill(getmypid(), SIGKILL);
            }
            echo Signal::wait(20.0, 'USR1')->name;
            pcntl_waitpid($child, $status);
            PHP));
    }

    public function testStopRequestedTakesTheStopSignals(): void
    {
        self::assertSame('false true null SIGHUP', Script::run(<<<'PHP'
            echo json_encode(Signal::stopRequested()), ' ';
            Signal::send(getmypid(), 'HUP');
            echo json_encode(Signal::stopRequested()), ' ', json_encode(Signal::wait(30.0, 'USR1')), ' ';
            echo Signal::last('HUP')->name;
            PHP));
    }

    /**
     * One of pcntl_signal() from before install() was called, and the worker went on.
     */
    public function testAHandlerOfPcntlFromBeforeInstallKeptAWorkerFromStopping(): void
    {
        $said = "TERM true\nTERM true\nHUP true\nHUP false\npcntl in the child";
        self::assertSame($said, Script::run(self::CHILD . <<<'PHP'
            pcntl_async_signals(true);
            foreach (['TERM' => SIGTERM, 'HUP' => SIGHUP] as $name => $signal) {
                foreach ([fn () => print 'pcntl ', SIG_IGN] as $before) {
                    $child(function () use ($name, $signal, $before): void {
                        pcntl_signal($signal, $before);
                        Worker::install();
                        Signal::send(getmypid(), $signal);
                        echo $name, ' ', json_encode(Signal::stopRequested()), "\n";
                    });
                }
            }
            pcntl_signal(SIGHUP, fn () => print "pcntl in the child\n");
            pcntl_signal(SIGTERM, SIG_IGN);
            Worker::install();
            $child(fn () => posix_kill(getmypid(), SIGTERM)); // ignored
            $child(fn () => posix_kill(getmypid(), SIGHUP));
            PHP));
    }

    public function testAHandlerOfTheScriptWinsOverAStopUntilItIsOff(): void
    {
        self::assertSame('mine false true', Script::run(<<<'PHP'
            Signal::stopRequested();
            Signal::on('TERM', fn () => print 'mine ');
            Signal::send(getmypid(), 'TERM');
            echo json_encode(Signal::stopRequested()), ' ';
            Signal::off('TERM');
            Signal::send(getmypid(), 'TERM');
            echo json_encode(Signal::stopRequested());
            PHP));
    }

    public function testIgnoredAndDefaultSignals(): void
    {
        self::assertSame("ignored\nexit 15", Script::run(<<<'PHP'
            Signal::ignore('TERM');
            Signal::send(getmypid(), 'TERM');
            echo 'ignored';
            Signal::default('TERM');
            Signal::send(getmypid(), 'TERM');
            PHP));
    }

    public function testAChildByForkHasTheHandlersAndNothingThatWasForItsParent(): void
    {
        self::assertSame("none 1\nparent\nmine\nkilled by 15\nfalse true\nfalse", Script::run(self::CHILD . <<<'PHP'
            $worker = Worker::install();
            $parent = getmypid();
            Signal::on('USR1', fn () => print getmypid() === $parent ? "parent\n" : "mine\n");
            Signal::critical(function () use ($child): void {
                Signal::send(getmypid(), 'USR1');
                $child(function (): void {
                    echo Signal::pending() === [] ? 'none ' : 'some ';
                    Signal::send(getmypid(), 'USR1');
                    echo count(Signal::pending()), "\n";
                });
            });
            $child(fn () => Signal::send(getmypid(), 'USR1'));
            $child(fn () => Signal::send(getmypid(), 'TERM'));
            $child(function () use ($worker): void {
                echo json_encode($worker->shouldStop()), ' ';
                Signal::send(getmypid(), 'TERM');
                echo json_encode($worker->shouldStop()), "\n";
            });
            echo json_encode($worker->shouldStop());
            PHP));
    }

    /**
     * What was waited for once was kept for the next wait in a child too, that waits for nothing.
     */
    public function testAChildByForkDidNotDieOfAStopSignalThatItsParentHadWaitedFor(): void
    {
        self::assertSame('9 15 9', Script::run(<<<'PHP'
            $child = function (callable $main): int {
                if (($pid = pcntl_fork()) === 0) {
                    $main();
                    Signal::send(getmypid(), 'TERM');
                    posix_kill(getmypid(), SIGKILL);
                }
                pcntl_waitpid($pid, $status);
                return pcntl_wtermsig($status);
            };
            Signal::wait(0.0, 'TERM');
            echo $child(fn () => null), ' '; // no worker, no stop
            Worker::install();
            echo $child(fn () => null), ' ', $child(fn () => Signal::wait(0.0, 'TERM'));
            PHP));
    }

    /**
     * What was waited for once was kept for the next wait, and counted as a stop no more.
     */
    public function testAWorkerThatHadWaitedForTermOnceDidNotStopAtIt(): void
    {
        self::assertSame('null SIGTERM true true', Script::run(self::TERM_WHEN_IT_SLEEPS . <<<'PHP'
            $w = Worker::install();
            echo json_encode(Signal::wait(0.0, 'TERM')), ' ';
            $terminate();
            echo Signal::wait(30.0, 'TERM')?->name, ' ', json_encode($w->shouldStop()), ' ';
            echo json_encode(Signal::stopRequested());
            PHP));
    }

    public function testWhatIsKeptForAWaitIsAStopAllTheSame(): void
    {
        self::assertSame('null false true SIGTERM', Script::run(<<<'PHP'
            echo json_encode(Signal::wait(0.0, 'TERM')), ' ', json_encode(Signal::stopRequested()), ' ';
            Signal::send(getmypid(), 'TERM');
            echo json_encode(Signal::stopRequested()), ' ', Signal::wait(0.0, 'TERM')?->name;
            PHP));
    }

    public function testAWaitForNothingInParticularDidNotSayWhichSignalStoppedIt(): void
    {
        self::assertSame('SIGTERM', Script::run(self::TERM_WHEN_IT_SLEEPS . <<<'PHP'
            Worker::install();
            $terminate();
            echo Signal::wait(30.0)?->name;
            PHP));
    }

    public function testRealtimeSignalsWereAnErrorOfPcntls(): void
    {
        self::assertSame('SIGRTMIN+1 SIGRTMIN+1 SIGRTMAX 1', Script::run(<<<'PHP'
            Signal::on('RTMIN+1', fn (SignalInfo $s) => print "$s->name ");
            Signal::send(getmypid(), 35);
            Signal::send(getmypid(), 'SIGRTMIN+1');
            Signal::off('RTMIN+1');
            echo json_encode(Signal::wait(0.0, Signal::RTMAX)) === 'null' ? '' : 'something';
            Signal::send(getmypid(), Signal::RTMAX);
            echo Signal::wait(30.0, Signal::RTMAX)->name, ' ', Signal::last('RTMAX')->count;
            Signal::default('RTMIN+1');
            PHP));
    }

    public function testOffEndedAHandlerThatPcntlWasGivenLater(): void
    {
        self::assertSame('pcntl pcntl', Script::run(<<<'PHP'
            pcntl_async_signals(true);
            Signal::on('USR1', fn () => print 'ours ');
            pcntl_signal(SIGUSR1, function (): void { static $n = 0; echo $n++ ? ' pcntl' : 'pcntl'; });
            posix_kill(getmypid(), SIGUSR1);
            Signal::off('USR1');
            posix_kill(getmypid(), SIGUSR1);
            PHP));
    }

    public function testOffGivesBackTheHandlerOfPcntl(): void
    {
        self::assertSame('ours pcntl', Script::run(<<<'PHP'
            pcntl_async_signals(true);
            pcntl_signal(SIGUSR1, fn () => print 'pcntl');
            Signal::on('USR1', fn () => print 'ours ');
            posix_kill(getmypid(), SIGUSR1);
            Signal::off('USR1');
            posix_kill(getmypid(), SIGUSR1);
            PHP));
    }

    public function testTheStreamIsReadableUntilDispatch(): void
    {
        self::assertSame('0 handled 1 1 0 0', Script::run(<<<'PHP'
            Signal::on('USR1', fn () => print 'handled ');
            $ready = function (): int {
                [$r, $w, $e] = [[Signal::stream()], [], []];
                return stream_select($r, $w, $e, 0);
            };
            echo $ready(), ' ';
            Signal::send(getmypid(), 'USR1');
            echo $ready(), ' ', $ready(), ' ', Signal::dispatch(), ' ', $ready();
            PHP));
    }

    /**
     * @dataProvider bad
     */
    #[DataProvider('bad')]
    public function testWhatCannotBeIsRefusedInTheSameWords(string $call, string $said): void
    {
        self::assertSame($said, Script::run('try { ' . $call . '; echo "accepted"; } catch (Throwable $e) {
            echo (new ReflectionClass($e))->getShortName(), " ", $e->getCode(), ": ", $e->getMessage(); }'));
    }

    public static function bad(): iterable
    {
        $no = 'InvalidArgument 0: ';
        $names = 'a name as SIGTERM, TERM or SIGRTMIN+1, or a number from 1 to 64, is';
        yield ['Signal::on(9, "time")', "{$no}signal: SIGKILL cannot be handled, ignored or changed: the kernel acts "
            . 'on it by itself; SIGTERM asks a process to end'];
        yield ['Signal::on(["USR1", "SEGV"], "time")', "{$no}signal: SIGSEGV tells of a fault of this process itself, "
            . 'after which no PHP code can run: it cannot be handled'];
        yield ['Signal::on(32, "time")', "{$no}signal: signal 32 belongs to the C library: realtime signals that a "
            . 'program may use are 34 (SIGRTMIN) to 64 (SIGRTMAX)'];
        yield ['Signal::off(65)', "{$no}signal: 65 is not a signal: a number from 1 to 64, or a name as SIGTERM, is"];
        yield ['Signal::last("SIGRTMIN+31")', "{$no}signal: \"SIGRTMIN+31\" is not a signal: $names"];
        yield ['Signal::default("")', "{$no}signal: \"\" is not a signal: $names"];
        yield ['Signal::wait(-1.0, "USR1")', "{$no}timeout: must be a number of seconds from 0.0, or null to wait as "
            . 'long as it takes'];
        yield ['Signal::wait(null)', "{$no}signals: no signal has a handler, so this would wait for ever: name the "
            . 'signals to wait for'];
        yield ['Signal::send(0, "USR1")', "{$no}pid: 0 is not one process: a number from 1 is (0 and below mean groups "
            . 'to kill(2))'];
        yield ['Signal::send(2147483647, "USR1")', 'SystemCallFailed 3: SIGUSR1 was not sent to process 2147483647: '
            . 'there is no such process'];
    }
}
