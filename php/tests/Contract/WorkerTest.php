<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Contract;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;

/**
 * What holds for Worker without a sidecar, in the extension and in its polyfill.
 */
final class WorkerTest extends TestCase
{
    public function testInstallGivesOneUnsupervisedWorker(): void
    {
        self::assertSame('["opcua",0,1,null,false,true,null]', Script::run(<<<'PHP'
            $w = Worker::install(name: 'opcua');
            $same = $w === Worker::install(name: 'other');
            echo json_encode([$w->name, $w->slot, $w->generation, $w->predecessor, $w->supervised(), $same,
                Request::current()]);
            PHP));
    }

    public function testAStopSignalEndsRunAfterOnStop(): void
    {
        self::assertSame("start\nstop\n0 SIGTERM", Script::run(<<<'PHP'
            $w = Worker::install();
            $w->onStart(fn () => print "start\n")->onStop(fn () => print "stop\n");
            $w->after(0.02, fn () => Signal::send(getmypid(), 'TERM'));
            $w->every(0.01, fn () => 1);
            echo $w->run() . ' ' . Signal::last(SIGTERM)->name;
            PHP));
    }

    public function testALoopOfOnesOwnEndsAtAStop(): void
    {
        self::assertSame("start\nturn\nturn\nstop\nfalse false true", Script::run(<<<'PHP'
            $w = Worker::install()->onStart(fn () => print "start\n")->onStop(fn () => print "stop\n");
            for ($turn = 1; !$w->shouldStop(); $turn++) {
                echo "turn\n";
                $w->sleep(0.01);
                $turn === 2 && Signal::send(getmypid(), 'INT');
            }
            echo json_encode($w->sleep(60.0)), ' ', json_encode($w->tick(60.0)), ' ', json_encode($w->shouldStop());
            PHP));
    }

    public function testTickWaitsAndIsTrueUntilTheStop(): void
    {
        self::assertSame('true true true false', Script::run(<<<'PHP'
            $w = Worker::install();
            $begun = microtime(true);
            echo json_encode($w->tick(0.1)), ' ', json_encode(microtime(true) - $begun >= 0.1), ' ';
            echo json_encode($w->tick(0.0)), ' ';
            Signal::send(getmypid(), 'TERM');
            echo json_encode($w->tick(null));
            PHP));
    }

    public function testSleepKeepsItsDeadlineWhileHandlersRun(): void
    {
        self::assertSame("USR1\ntrue true", Script::run(<<<'PHP'
            $w = Worker::install();
            Signal::on('USR1', fn (SignalInfo $s) => print substr($s->name, 3) . "\n");
            $w->after(0.02, fn () => Signal::send(getmypid(), 'USR1'));
            $begun = microtime(true);
            echo json_encode($w->sleep(0.2)), ' ', json_encode(microtime(true) - $begun >= 0.2);
            PHP));
    }

    public function testTasksKeepTheirTimesAndMissedTurnsAreOne(): void
    {
        self::assertSame("once\nevery 1\nevery 2\nlast", Script::run(<<<'PHP'
            $w = Worker::install();
            $turns = 0;
            $w->after(0.0, fn () => print "once\n");
            $w->every(0.05, function () use (&$turns): void {
                echo 'every ', ++$turns, "\n";
                $turns === 1 && usleep(170_000);        // turns 2 and 3 are missed; the next one is the fourth's time
            });
            $begun = microtime(true);
            while ($turns < 2) {
                $w->tick(1.0);
            }
            $w->after(0.0, fn () => print "last")->tick(1.0);
            PHP));
    }

    public function testWhatATaskThrowsLeavesTheLoopAndTheTaskGoesOn(): void
    {
        self::assertSame("thrown 1\nthrown 2\nNotAllowedHere", Script::run(<<<'PHP'
            $w = Worker::install();
            $n = 0;
            $w->every(0.01, function () use (&$n): void {
                throw new DomainException('thrown ' . ++$n);
            });
            for ($i = 0; $i < 2; $i++) {
                try {
                    $w->run();
                } catch (DomainException $e) {
                    echo $e->getMessage(), "\n";
                }
            }
            $w = Worker::install()->after(0.0, function () use (&$w): void {
                try {
                    $w->run();
                } catch (RustDaemon\Exception\NotAllowedHere $e) {
                    echo (new ReflectionClass($e))->getShortName();
                    exit;
                }
            });
            try {
                $w->tick(0.0);
                $w->tick(1.0);
            } catch (DomainException) {
                $w->tick(1.0);
            }
            PHP));
    }

    public function testBusyKeepsTasksFromALoopOfOnesOwn(): void
    {
        self::assertSame('["job","task"]', Script::run(<<<'PHP'
            $w = Worker::install();
            $w->after(0.0, function () use (&$said): void { $said[] = 'task'; });
            $w->ready()->busy('job', deadline: 5.0);
            $w->sleep(0.02);
            $w->progress('half');
            $said[] = 'job';
            $w->idle();
            $w->shouldStop();
            echo json_encode($said);
            PHP));
    }

    public function testBusyInATaskKeptAllTasksAway(): void
    {
        self::assertSame('busy busy busy', Script::run(<<<'PHP'
            $w = Worker::install();
            $n = 0;
            $w->every(0.01, function () use ($w, &$n): void {
                $w->busy('a part of it');
                echo $n++ ? ' busy' : 'busy';
            });
            while ($n < 3 && $w->sleep(0.01)) {
            }
            PHP));
    }

    public function testRunWaitedForNoTaskWhileAJobHadBeenNamed(): void
    {
        self::assertSame('task 0', Script::run(<<<'PHP'
            $w = Worker::install();
            $w->after(0.01, function (): void {
                echo 'task ';
                Signal::send(getmypid(), 'TERM');
            });
            $w->busy('job');
            echo $w->run();
            PHP));
    }

    public function testTickInACallbackIsAllowedAndInATaskItIsNot(): void
    {
        $said = 'RustDaemon\Worker::tick() cannot be called while a task of this worker runs: one task at a time';
        self::assertSame("true\n$said", Script::run(<<<'PHP'
            $w = Worker::install();
            $w->onStart(fn () => print json_encode($w->tick(0.0)) . "\n");
            $w->after(0.0, function () use ($w): void {
                try {
                    $w->tick(0.0);
                } catch (RustDaemon\Exception\NotAllowedHere $e) {
                    echo $e->getMessage();
                }
            });
            $w->tick(0.0);
            PHP));
    }

    /**
     * @dataProvider bad
     */
    #[DataProvider('bad')]
    public function testWhatCannotBeIsRefusedInTheSameWords(string $call, string $said): void
    {
        self::assertSame($said, Script::run('try { ' . $call . '; echo "accepted"; } catch (Throwable $e) {
            echo (new ReflectionClass($e))->getShortName(), ": ", $e->getMessage(); }'));
    }

    public static function bad(): iterable
    {
        $no = 'InvalidArgument: ';
        $time = 'must be a number of seconds from 0.0, or null to wait as long as it takes';
        $name = 'is not a method\'s name: 1 to 128 of the characters A-Z a-z 0-9 _ . : / -, or * for the rest';
        $reserved = 'is reserved: ping and all names that begin with daemon. worker. farm. system. belong to '
            . 'the daemon';
        yield ['Worker::install(name: "a/b")', "{$no}name: \"a/b\" is not a pool's name: 1 to 64 of the characters "
            . 'A-Z a-z 0-9 . _ -'];
        yield ['Worker::install(mode: 660)', "{$no}mode: 660 is decimal; octal is written with a zero: 0660"];
        yield ['Worker::install(mode: "rw")', "{$no}mode: \"rw\" is not an octal number from 0 to 0777, such as "
            . '"0660"'];
        yield ['Worker::install(socket: "")', "{$no}socket: is an empty string; give a path, or null for none"];
        yield ['Worker::install(socket: "/run/")', "{$no}socket: \"/run/\" is a directory; give the path of a Unix "
            . 'socket'];
        yield ['Worker::install()->expose("a b", "time")', "{$no}method: \"a b\" $name"];
        yield ['Worker::install()->expose("ping", "time")', "{$no}method: \"ping\" $reserved"];
        yield ['Worker::install()->expose("a", "time")->expose("a", "time")',
            "{$no}method: \"a\" is exposed already"];
        yield ['Worker::install()->every(0.0, "time")', "{$no}seconds: must be a finite number greater than 0.0"];
        yield ['Worker::install()->after(-1.0, "time")', "{$no}seconds: must be a finite number from 0.0"];
        yield ['Worker::install()->tick(NAN)', "{$no}timeout: $time"];
        yield ['Worker::install()->sleep(-1.0)', "{$no}seconds: must be a number of seconds from 0.0"];
        yield ['Worker::install()->busy("x", -1.0)', "{$no}deadline: must be a number of seconds from 0.0, or null "
            . 'for hang_timeout'];
        yield ['Worker::install()->concurrency(0)', "{$no}requests: must be from 1 to 10000, and is 0"];
        yield ['Worker::install(workers: 0)', "{$no}workers: 0 is not possible: a pool has 1 to 1024 workers"];
        yield ['Worker::install(token: "")', "{$no}token: is empty; a token has 1 to 4096 bytes"];
    }

    /**
     * @dataProvider attempts
     */
    #[DataProvider('attempts')]
    public function testThereIsOneWorkerAndNobodyMakesOrChangesIt(string $attempt, string $class = 'Error'): void
    {
        self::assertSame($class, Script::run("try { $attempt; echo 'accepted'; } catch (Throwable \$e) {
            echo get_class(\$e); }"));
    }

    public static function attempts(): array
    {
        $info = 'Signal::on("USR1", fn ($s) => $GLOBALS["i"] = $s); Signal::send(getmypid(), "USR1")';
        return [
            ['clone Worker::install()'],
            ['new Worker()'],
            ['new SignalInfo()'],
            ["Worker::install()->name = 'x'"],
            ["Worker::install()->other = 'x'"],
            ['serialize(Worker::install())', 'Exception'],
            ["unserialize('O:17:\"RustDaemon\Worker\":0:{}')", 'Exception'],
            ["$info; clone \$i"],
            ["$info; serialize(\$i)", 'Exception'],
        ];
    }

    public function testModesThatTheExtensionTakes(): void
    {
        $install = static fn (string $mode): string => "Worker::install(mode: '$mode'); ";
        $script = implode(array_map($install, ['00660', '0O660', '0o0660', '0', '00777']));
        self::assertSame('taken', Script::run("$script echo 'taken';"));
    }

    public function testRustdaemonOffAndOtherValues(): void
    {
        $install = 'try { var_dump(Worker::install(socket: "/tmp/never.sock")->supervised()); }
            catch (RustDaemon\Exception\InvalidArgument $e) { echo $e->getMessage(); }';
        self::assertSame('bool(false)', Script::run($install, environment: ['RUSTDAEMON' => 'off']));
        $known = 'RUSTDAEMON="no" in the environment is not known: only "off" is';
        self::assertSame($known, Script::run($install, environment: ['RUSTDAEMON' => 'no']));
    }
}
