<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Contract;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\Attributes\RequiresPhpExtension;
use PHPUnit\Framework\TestCase;
use RustDaemon\Lock;

/**
 * What holds for Lock in the extension and in its polyfill on flock(2).
 */
final class LockTest extends TestCase
{
    /** In front of each script: a lock's name of its own, and what another process is told to do with it. */
    private string $head;

    private string $name;

    protected function setUp(): void
    {
        $this->name = 'test-' . bin2hex(random_bytes(6));
        $this->head = '$name = "' . $this->name . '";
            function other(callable $do): void {
                $pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
                if (($child = pcntl_fork()) === 0) {
                    $do($pair[1]);
                    posix_kill(getmypid(), SIGKILL);
                }
                $GLOBALS["line"] = function () use ($pair): string { return trim((string) fgets($pair[0])); };
                $GLOBALS["child"] = $child;
                fclose($pair[1]);
            } ';
    }

    /** A lock with a name stays until somebody removes it. */
    protected function tearDown(): void
    {
        foreach (['/dev/shm/rustdaemon-*-lock-', sys_get_temp_dir() . '/rustdaemon-*/'] as $where) {
            array_map('unlink', glob("$where$this->name*") ?: []);
        }
    }

    public function testNobodyCopiesChangesOrStoresIt(): void
    {
        self::assertSame('Error Error Exception ', Script::run($this->head . <<<'PHP'
            $lock = Lock::open($name);
            foreach ([
                fn () => clone $lock,
                fn () => $lock->other = 1,
                fn () => serialize($lock),
            ] as $attempt) {
                try {
                    $attempt();
                    echo 'accepted ';
                } catch (Throwable $e) {
                    echo get_class($e), ' ';
                }
            }
            PHP) . ' ');
    }

    public function testOneProcessHasItUntilItIsReleased(): void
    {
        self::assertSame('true true false NotAllowedHere null NotAllowedHere true', Script::run($this->head . <<<'PHP'
            $say = fn (mixed $value) => print json_encode($value) . ' ';
            $tried = function (callable $try) use ($say): void {
                try {
                    $say($try());
                } catch (RustDaemon\Exception\DaemonException $e) {
                    echo (new ReflectionClass($e))->getShortName(), ' ';
                }
            };
            $lock = Lock::open($name);
            $say($lock->acquire(0.0));
            $say($lock->holder() === getmypid());
            $say($lock->recovered());
            $tried(fn () => Lock::open($name)->acquire());
            $say($lock->release());
            $tried(fn () => $lock->release());
            $say(Lock::open($name)->acquire(1.0));
            PHP));
    }

    /**
     * @requires extension pcntl
     */
    #[RequiresPhpExtension('pcntl')]
    public function testAnotherProcessWaitsForItAndHearsThatItsHolderDied(): void
    {
        self::assertSame('held false true true true', Script::run($this->head . <<<'PHP'
            other(function ($out) use ($name): void {
                Lock::open($name)->acquire();
                fwrite($out, "held\n");
                sleep(60);
            });
            echo $line(), ' ';
            $lock = Lock::open($name);
            echo json_encode($lock->acquire(0.05)), ' ', json_encode($lock->holder() === $child), ' ';
            posix_kill($child, SIGKILL);
            pcntl_waitpid($child, $status);
            echo json_encode($lock->acquire(20.0)), ' ', json_encode($lock->recovered());
            PHP));
    }

    /**
     * @requires extension pcntl
     */
    #[RequiresPhpExtension('pcntl')]
    public function testAChildByForkDoesNotHoldIt(): void
    {
        self::assertSame('NotAllowedHere', Script::run($this->head . <<<'PHP'
            Lock::open($name)->acquire();
            other(function ($out) use ($name): void {
                try {
                    Lock::open($name)->release();
                } catch (RustDaemon\Exception\DaemonException $e) {
                    fwrite($out, (new ReflectionClass($e))->getShortName() . "\n");
                }
            });
            echo $line();
            pcntl_waitpid($child, $status);
            PHP));
    }

    public function testAProgramThatTheHolderHadStartedHeldTheLockOn(): void
    {
        self::assertSame('held null true true', Script::run($this->head . <<<'PHP'
            other(function ($out) use ($name): void {
                Lock::open($name)->acquire();
                $null = ['file', '/dev/null', 'r+'];
                $program = proc_open(['sleep', '60'], [$null, $null, $null], $pipes);
                fwrite($out, proc_get_status($program)['pid'] . "\n");
                posix_kill(getmypid(), SIGKILL);
            });
            $program = (int) $line();
            echo 'held ';
            pcntl_waitpid($child, $status);
            $lock = Lock::open($name);
            echo json_encode($lock->holder()), ' ';
            echo json_encode($lock->acquire(1.0)), ' ', json_encode($lock->recovered());
            posix_kill($program, SIGKILL);
            PHP));
    }

    public function testOpenDisturbedErrorHandlersThatKnowNoSilence(): void
    {
        self::assertSame('null', Script::run($this->head . <<<'PHP'
            Lock::open($name);
            set_error_handler(fn (int $level, string $said) => throw new ErrorException($said));
            echo json_encode(Lock::open($name)->holder());
            PHP));
    }

    public function testAStopEndsTheWait(): void
    {
        self::assertSame('held false true', Script::run($this->head . <<<'PHP'
            other(function ($out) use ($name): void {
                Lock::open($name)->acquire();
                fwrite($out, "held\n");
                sleep(60);
            });
            echo $line(), ' ';
            Worker::install();
            Signal::send(getmypid(), 'TERM');
            echo json_encode(Lock::open($name)->acquire()), ' ', json_encode(Signal::stopRequested());
            posix_kill($child, SIGKILL);
            pcntl_waitpid($child, $status);
            PHP));
    }

    /**
     * @dataProvider badNames
     */
    #[DataProvider('badNames')]
    public function testNamesThatCannotBe(string $name): void
    {
        $this->expectException(\RustDaemon\Exception\InvalidArgument::class);
        Lock::open($name);
    }

    public static function badNames(): array
    {
        return [
            [''],
            ['a/b'],
            ['.hidden'],
        ];
    }
}
