<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Testing;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use RustDaemon\Client\Call;
use RustDaemon\Client\ClientException;
use RustDaemon\Client\InvalidArgument;
use RustDaemon\Client\RemoteException;
use RustDaemon\Client\TimedOut;
use RustDaemon\Testing\FakeClient;
use RustDaemon\Testing\TestWorker;

/**
 * What users' own tests are given.
 */
final class FakesTest extends TestCase
{
    public function testAFakeAnswersAsItWasToldAndRemembersWhatItWasAsked(): void
    {
        $client = new FakeClient([
            'plc.read' => static fn (string $node, int $attribute = 13): string => "$node#$attribute",
            'plc.state' => 'strlen',
        ]);
        self::assertSame('a#13', $client->call('plc.read', 'a'));
        self::assertSame('b#4', $client->withTimeout(1.0)->withSession('s')->call('plc.read', attribute: 4, node: 'b'));
        self::assertSame('strlen', $client->call('plc.state'), 'a string is a value');
        self::assertSame([['a'], ['attribute' => 4, 'node' => 'b']], $client->calls('plc.read'));
        self::assertSame([], $client->calls('plc.write'));
        $calls = array_map(static fn (string $node): Call => $client->begin('plc.read', [$node]), ['x', 'y']);
        self::assertTrue($calls[0]->isDone());
        self::assertSame(['x#13', 'y#13'], array_map(static fn (Call $call): mixed => $call->result(), $calls));
    }

    public function testItsBuiltInMethods(): void
    {
        $client = new FakeClient(['x' => 1]);
        self::assertSame('ok', $client->ping()['status']);
        self::assertSame([], $client->status()['workers']);
        self::assertContains('x', array_column($client->methods(), 'name'));
        $client->send('opcua', 'tags.changed', ['line' => 3]);
        $sent = [['name' => 'opcua', 'message' => 'tags.changed', 'payload' => ['line' => 3]]];
        self::assertSame($sent, $client->calls('worker.send'));
    }

    /**
     * @dataProvider errors
     */
    #[DataProvider('errors')]
    public function testErrorsAreThoseOfARealClient(mixed $answer, array $arguments, string $class): void
    {
        $call = (new FakeClient(['x' => $answer]))->begin('x', $arguments);
        try {
            $call->result();
            self::fail('no exception');
        } catch (RemoteException $e) {
            self::assertSame(['x', $class], [$e->method, $e->class]);
        }
    }

    public static function errors(): iterable
    {
        $node = static fn (string $node): string => $node;
        yield 'thrown' => [static fn () => throw new \DomainException('x'), [], 'DomainException'];
        yield 'given' => [new \DomainException('x'), [], 'DomainException'];
        yield 'a missing argument' => [$node, [], 'InvalidArgument'];
        yield 'one of another type' => [$node, [[]], 'InvalidArgument'];
        yield 'an unknown one' => [$node, ['nod' => 'a'], 'InvalidArgument'];
        yield 'a type error inside' => [static fn () => strlen([]), [], 'TypeError'];
        yield 'no JSON' => [static fn (): float => NAN, [], 'encoding_failed'];
    }

    /**
     * @dataProvider words
     */
    #[DataProvider('words')]
    public function testWordsWereThoseOfPhpAndNotThoseOfARealClient(
        callable $handler,
        array $arguments,
        string $class,
        string $said,
    ): void {
        foreach ([new FakeClient(['x' => $handler(...)]), (new TestWorker())->expose('x', $handler)->client()] as $c) {
            try {
                $c->begin('x', $arguments)->result();
                self::fail('no exception');
            } catch (RemoteException $e) {
                self::assertSame([$class, $said], [$e->class, $e->getMessage()]);
            }
        }
    }

    public static function words(): iterable
    {
        $no = 'InvalidArgument';
        $step = static fn (string $name, int $step = 1): int => $step;
        $nested = static function (): array {
            for ($value = [], $n = 0; $n < 512; $n++) {
                $value = [$value];
            }
            return $value;
        };
        yield [$step, [], $no, 'missing argument "name"'];
        yield [$step, ['name' => 'a', 'stop' => 2], $no, 'unknown argument "stop"'];
        yield [$step, ['a', 'b'], $no, 'argument "step" must be of type int, string given'];
        yield ['strlen', ['a', 'b'], $no, 'too many arguments: 2 given, at most 1 expected'];
        yield [static fn (?TestWorker $w) => 1, [1], $no, 'argument "w" must be of type ?TestWorker, int given'];
        yield [static fn () => new class implements \JsonSerializable {
            public function jsonSerialize(): mixed
            {
                throw new \LogicException('not as JSON');
            }
        }, [], 'LogicException', 'not as JSON'];
        yield [static fn () => throw new class ('x') extends \RuntimeException {
        }, [], 'RuntimeException@anonymous', 'x'];
        yield [static fn (): string => str_repeat('x', 16_777_216), [], 'payload_too_large',
            'the result has 16777218 bytes as JSON; at most 16777216 are sent'];
        yield [$nested, [], 'encoding_failed', 'Maximum stack depth exceeded'];
    }

    /**
     * Those of ext/core/src/fault.rs.
     */
    public function testPathsAndUrlsStayedInMessages(): void
    {
        $client = (new TestWorker())->expose('x', static fn (string $m) => throw new \DomainException($m))->client();
        foreach (
            [
                'cannot open /var/www/app/.env: no' => 'cannot open [path]: no',
                'opc.tcp://10.0.0.1:4840/x refused' => '[url] refused',
                'see https://user:pw@example.org/a?b=c.' => 'see [url].',
                'C:\\Users\\x\\y.php failed' => '[path] failed',
                'in "/srv/a/b.php" on line 3' => 'in "[path]" on line 3',
                '(/srv/a/b)' => '([path])',
                '/srv/a/b.php:12' => '[path]:12',
                '1/2 or a/b/c or /tmp or and/or' => '1/2 or a/b/c or /tmp or and/or',
                'node ns=2;s=Counter' => 'node ns=2;s=Counter',
                '// comment' => '// comment',
                '' => '',
                'a' . str_repeat("\u{e9}", 300) => 'a' . str_repeat("\u{e9}", 249) . '...',
            ] as $thrown => $shown
        ) {
            try {
                $client->call('x', $thrown);
                self::fail('no exception');
            } catch (RemoteException $e) {
                self::assertSame($shown, $e->getMessage());
            }
        }
    }

    /**
     * @dataProvider coerced
     */
    #[DataProvider('coerced')]
    public function testArgumentsWerePassedUnderStrictTypes(mixed $given, int $taken): void
    {
        $handler = static fn (int $step): int => $step;
        self::assertSame($taken, (new FakeClient(['x' => $handler]))->call('x', $given));
        self::assertSame($taken, (new TestWorker())->expose('x', $handler)->client()->call('x', step: $given));
    }

    public static function coerced(): array
    {
        return [['5', 5], [1.0, 1], [true, 1]];
    }

    public function testAParameterByReferenceAndAMethodOfCall(): void
    {
        $magic = new class {
            public function __call(string $name, array $arguments): array
            {
                return [$name, $arguments];
            }
        };
        $last = static fn (array &$list): int => array_pop($list);
        $client = (new TestWorker())->expose('last', $last)->expose('magic', [$magic, 'read'])->client();
        self::assertSame(2, $client->call('last', list: [1, 2]));
        self::assertSame(2, $client->call('last', [1, 2]));
        self::assertSame(['read', ['node' => 'a']], $client->call('magic', node: 'a'));
    }

    public function testSessionsThatCannotBeWereTaken(): void
    {
        foreach (['', str_repeat('s', 257), "\xFF"] as $session) {
            try {
                (new FakeClient())->withSession($session);
                self::fail('no exception');
            } catch (InvalidArgument $e) {
                self::assertStringStartsWith('session: ', $e->getMessage());
            }
        }
    }

    public function testAMessageOfTheClientNeverCameToOnMessage(): void
    {
        $got = [];
        $worker = new TestWorker('opcua');
        $client = $worker->expose('x', 'time')->client();
        $refused = static function (string $to, string $name, string $class) use ($client): void {
            try {
                $client->send($to, $name, 1);
                self::fail('no exception');
            } catch (RemoteException $e) {
                self::assertSame($class, $e->class);
            }
        };
        $refused('opcua', 'tags.changed', 'unhandled_message');
        $worker->onMessage(static function (string $name, mixed $payload) use (&$got): void {
            $got[] = [$name, $payload];
            $name === 'bad' && throw new \DomainException('no');
        });
        $taken = ['acknowledged' => 1, 'workers' => ['opcua#0']];
        self::assertSame($taken, $client->send('opcua', 'tags.changed', ['line' => 3]));
        self::assertSame($taken, $client->send('opcua#0', 'again'));
        $refused('opcua#0', 'bad', 'DomainException');
        $refused('opcua', '', 'InvalidArgument');
        $refused('nope', 'x', 'unknown_worker');
        self::assertSame([['tags.changed', ['line' => 3]], ['again', null], ['bad', 1]], $got);
        $this->expectException(InvalidArgument::class);
        $worker->message('x', "\xFF");
    }

    /**
     * @dataProvider noMessages
     */
    #[DataProvider('noMessages')]
    public function testMessagesThatTheDaemonRefusesWereTakenOrRefusedInOtherWords(array $arguments, string $said): void
    {
        $worker = (new TestWorker('opcua'))->onMessage(static fn () => self::fail('it was taken'));
        foreach ([$worker->client(), new FakeClient()] as $client) {
            try {
                $client->begin('worker.send', $arguments)->result();
                self::fail('no exception');
            } catch (RemoteException $e) {
                self::assertSame(['InvalidArgument', "worker.send: $said"], [$e->class, $e->getMessage()]);
            }
        }
    }

    /**
     * Those of sidecar/src/message.rs.
     */
    public static function noMessages(): iterable
    {
        $to = ['name' => 'opcua'];
        $most = 'must be 1 to 128 bytes without control characters, such as "tags.changed"';
        yield [$to + ['message' => 5], 'message: must be a string, such as "tags.changed"'];
        yield [['opcua', true], 'message: must be a string, such as "tags.changed"'];
        yield [$to, 'message: is missing; give its name, such as "tags.changed"'];
        yield [$to + ['message' => 'x', 'x' => 1], '"x" is not an argument; there are: name, message, payload'];
        yield [['opcua', 'x', 1, 2], '4 arguments, but there are: name, message, payload'];
        yield [$to + ['message' => str_repeat('x', 129)], 'message: has 129 bytes; 1 to 128 without control characters '
            . 'are allowed'];
        yield [$to + ['message' => ''], "message: $most"];
        yield [$to + ['message' => "x\n"], "message: $most"];
        yield [['message' => 'x'], 'name: is missing; give a worker such as "opcua#0", or a pool such as "opcua" for '
            . 'all its workers'];
        yield [[5, 'x'], 'name: must be a string, such as "opcua" or "opcua#0"'];
        yield [['opcua#01', 'x'], 'name: "opcua#01" is not a worker; a worker is POOL#SLOT, such as opcua#0'];
    }

    public function testMessageAndSendCalledOnMessageInTwoWays(): void
    {
        $said = [];
        $worker = new TestWorker();
        $worker->onMessage(static function (string $name, int $step) use ($worker, &$said): void {
            $said[] = $step;
            $name === 'loop' && $worker->tick(0.0);
            $name === 'stop' && $worker->stop();
        })->onStop(static function () use (&$said): void {
            $said[] = 'stop';
        });
        $send = static fn (string $name, mixed $payload): mixed => $worker->client()->send('main', $name, $payload);
        $refused = [];
        foreach ([$worker->message(...), $send] as $tell) {
            $tell('x', '12');
            foreach ([['x', 'a'], ['loop', 1], ['', 1]] as $n => [$name, $payload]) {
                try {
                    $tell($name, $payload);
                    self::fail('no exception');
                } catch (ClientException | \RustDaemon\Exception\DaemonException $e) {
                    $refused[$n][] = $e->getMessage();
                }
            }
        }
        self::assertSame([12, 1, 12, 1], $said);
        self::assertSame('argument "step" must be of type int, string given', $refused[0][0]);
        foreach ($refused as [$ofMessage, $ofSend]) {
            self::assertSame($ofSend, $ofMessage);
        }
        $worker->message('stop', 2);
        self::assertSame([2, 'stop'], array_slice($said, 4));
    }

    public function testMethodsHadLostTheirDescription(): void
    {
        $worker = (new TestWorker('opcua'))->expose('x', 'time', 'Tells', idempotent: true);
        $first = ['name' => 'x', 'pool' => 'opcua', 'description' => 'Tells', 'idempotent' => true];
        self::assertSame($first, $worker->client()->methods()[0]);
    }

    public function testClientExceptionsAreThrownAsTheyAre(): void
    {
        $client = new FakeClient(['x' => new TimedOut('x: no answer', true)]);
        $this->expectException(TimedOut::class);
        $client->call('x');
    }

    public function testAnUnknownMethodAndArgumentsThatCannotTravel(): void
    {
        $client = new FakeClient();
        try {
            $client->call('no.such');
            self::fail('no exception');
        } catch (RemoteException $e) {
            self::assertSame('unknown_method', $e->class);
        }
        $this->expectException(InvalidArgument::class);
        $client->call('x', "\xFF");
    }

    public function testTheRestIsAnsweredByOneHandler(): void
    {
        $worker = new TestWorker();
        $worker->expose('add', fn (int $a, int $b): int => $a + $b)
            ->expose('*', fn (string $method, array $args): array => [$method, $args]);
        $client = $worker->client();
        self::assertSame(3, $client->call('add', 1, 2));
        self::assertSame(['sub', [1, 2]], $client->call('sub', 1, 2));
        self::assertSame(['*', ['a' => 1]], $client->call('*', a: 1));
        self::assertSame('ok', $client->ping()['status']);
        $this->expectExceptionMessage('Unknown method: daemon.nothing');
        $client->call('daemon.nothing');
    }

    public function testAWorkersHandlersTasksAndCallbacksRunInProcess(): void
    {
        $said = [];
        $say = static function (string $what) use (&$said): callable {
            return static function (mixed ...$arguments) use ($what, &$said): void {
                $said[] = rtrim("$what " . json_encode($arguments));
            };
        };
        $worker = new TestWorker('opcua');
        $worker->expose('length', 'strlen')->onStart($say('start'))->onStop($say('stop'))->onMessage($say('message'))
            ->onExpire($say('expire'))->every(10.0, $say('ten'))->every(4.0, $say('four'))->after(8.0, $say('once'));
        self::assertSame(3, $worker->client()->call('length', 'abc'));
        $worker->advance(12.0)->message('m', (object) ['k' => 1])->expire('s');
        self::assertFalse($worker->shouldStop());
        $worker->stop()->stop()->advance(100.0);
        self::assertTrue($worker->shouldStop());
        self::assertSame([
            'start []', 'four []', 'four []', 'once []', 'ten []', 'four []', 'message ["m",{"k":1}]', 'expire ["s"]',
            'stop []',
        ], $said);
    }

    /**
     * @dataProvider impossibleArguments
     */
    #[DataProvider('impossibleArguments')]
    public function testItRefusesWhatARealWorkerRefuses(string $verb, mixed ...$arguments): void
    {
        $worker = (new TestWorker())->expose('taken', 'time');
        $this->expectException(\RustDaemon\Exception\InvalidArgument::class);
        $worker->$verb(...$arguments);
    }

    public static function impossibleArguments(): array
    {
        return [
            ['expose', 'ping', 'time'],
            ['expose', 'a b', 'time'],
            ['expose', 'taken', 'time'],
            ['every', 0.0, 'time'],
            ['after', -1.0, 'time'],
            ['concurrency', 0],
            ['sleep', -1.0],
            ['tick', NAN],
            ['advance', NAN],
            ['busy', 'x', -1.0],
            ['__construct', 'a b'],
        ];
    }

    public function testALoopRunsAsLongAsTheTestSays(): void
    {
        $said = [];
        $worker = new TestWorker(whileItRuns: static function (TestWorker $worker) use (&$said): void {
            $said[] = $worker->client()->call('time.of', 'plc');
        });
        $worker->expose('time.of', 'strtoupper')->onStop(static function () use (&$said): void {
            $said[] = 'stop';
        });
        self::assertSame(0, $worker->run());
        self::assertSame(['PLC', 'stop'], $said);

        $turns = 0;
        $worker = new TestWorker();
        for ($worker->after(1.0, $worker->stop(...)); !$worker->shouldStop(); $worker->sleep(0.3)) {
            $turns++;
        }
        self::assertSame(4, $turns);

        $worker = new TestWorker();
        $worker->every(2.0, static function () use ($worker, &$turns): void {
            ++$turns === 7 && $worker->stop();
        });
        while ($worker->tick(null)) {
        }
        self::assertSame(7, $turns);
        self::assertFalse((new TestWorker())->tick(null), 'there is nothing to wait for');
    }

    /**
     * @dataProvider verbsInOnStart
     */
    #[DataProvider('verbsInOnStart')]
    public function testOnStartWasCalledByWhatItCallsWithoutEnd(string $verb, mixed ...$arguments): void
    {
        $said = [];
        $worker = new TestWorker();
        $worker->after(0.0, static function () use (&$said): void {
            $said[] = 'task';
        })->onStart(static function () use ($worker, $verb, $arguments, &$said): void {
            $said[] = 'start';
            $worker->$verb(...$arguments);
        });
        self::assertFalse($worker->shouldStop());
        self::assertSame(['start', 'task'], $said);
    }

    public static function verbsInOnStart(): array
    {
        return [['ready'], ['start'], ['shouldStop'], ['sleep', 1.0], ['tick', 0.0]];
    }

    public function testOnStopDidNotKnowOfTheStopAndCalledItself(): void
    {
        $said = [];
        $worker = new TestWorker();
        $worker->onStart(static function () use (&$said): void {
            $said[] = 'start';
        })->onStop(static function () use ($worker, &$said): void {
            $said[] = [$worker->shouldStop(), $worker->sleep(1.0), $worker->stop()->tick(1.0)];
        });
        $worker->stop();
        self::assertSame(['start', [true, false, false]], $said);
    }

    public function testAStopBeforeTheLoopIsSeenInIt(): void
    {
        $said = [];
        $worker = (new TestWorker())->stop()->begin();
        $worker->onStart(static function () use (&$said): void {
            $said[] = 'start';
        })->onStop(static function () use (&$said): void {
            $said[] = 'stop';
        });
        self::assertTrue($worker->shouldStop());
        self::assertSame(['start', 'stop'], $said);
    }

    public function testAStopInATaskIsSeenWhenTheTaskHasEnded(): void
    {
        $said = [];
        $worker = new TestWorker();
        $worker->after(0.0, static function () use ($worker, &$said): void {
            $said[] = $worker->stop()->shouldStop();
        })->onStop(static function () use (&$said): void {
            $said[] = 'stop';
        });
        self::assertFalse($worker->tick(0.0));
        self::assertSame([true, 'stop'], $said);
    }

    public function testATaskAndAHandlerCouldEnterTheLoop(): void
    {
        $worker = new TestWorker();
        $said = [];
        $try = static function (string $verb, mixed ...$arguments) use ($worker, &$said): void {
            try {
                $worker->$verb(...$arguments);
            } catch (\RustDaemon\Exception\NotAllowedHere $e) {
                $said[] = strstr($e->getMessage(), 'cannot');
            }
        };
        $worker->expose('x', static fn () => $try('tick', 0.0))->after(1.0, static fn () => $try('run'));
        $worker->advance(1.0)->client()->call('x');
        self::assertSame([
            'cannot be called while a task of this worker runs: one task at a time',
            'cannot be called while a handler of this worker runs: one request at a time',
        ], $said);
        self::assertFalse($worker->shouldStop());
    }

    public function testTasksRanBetweenBusyAndIdle(): void
    {
        $turns = 0;
        $worker = (new TestWorker())->every(1.0, static function () use (&$turns): void {
            $turns++;
        });
        $worker->start()->busy('job');
        $worker->sleep(3.5);
        self::assertSame(0, $turns);
        $worker->idle();
        self::assertFalse($worker->shouldStop());
        self::assertSame(1, $turns, 'turns that were missed are one');
    }

    public function testMissedTurnsWereNotOne(): void
    {
        $turns = 0;
        $worker = new TestWorker();
        $worker->every(1.0, static function () use ($worker, &$turns): void {
            ++$turns === 1 && $worker->sleep(3.5);
        });
        $worker->after(5.2, $worker->stop(...));
        while (!$worker->shouldStop()) {
            $worker->sleep(0.5);
        }
        self::assertSame(3, $turns);
    }

    public function testTickWaitsNoLongerThanForTheNextTask(): void
    {
        $turns = 0;
        $worker = (new TestWorker())->every(1.0, static function () use (&$turns): void {
            $turns++;
        });
        self::assertTrue($worker->tick(60.0));
        self::assertSame(1, $turns);
        self::assertTrue($worker->tick(0.5));
        self::assertSame(1, $turns);
    }

    /**
     * @dataProvider loops
     */
    #[DataProvider('loops')]
    public function testALoopOfOnesOwnDidNotEndAndTheTestWasNotCalled(callable $loop): void
    {
        $said = [];
        $worker = new TestWorker(whileItRuns: static function (TestWorker $worker) use (&$said): void {
            $said[] = $worker->advance(1.0)->client()->call('time.of', 'plc');
        });
        $worker->expose('time.of', 'strtoupper')->onStart(static function () use (&$said): void {
            $said[] = 'start';
        })->onStop(static function () use (&$said): void {
            $said[] = 'stop';
        })->every(1.0, static function () use ($worker, &$said): void {
            $said[] = $worker->shouldStop();
        });
        $loop($worker);
        self::assertSame(['start', false, 'PLC', 'stop'], $said);
    }

    public static function loops(): iterable
    {
        $end = static fn (int $turn): bool => $turn < 3 || self::fail('it goes on');
        yield [static function (TestWorker $worker) use ($end): void {
            for ($turn = 0; !$worker->shouldStop() && $end($turn); $turn++) {
                $worker->sleep(0.5);
            }
        }];
        yield [static function (TestWorker $worker) use ($end): void {
            for ($turn = 0; $worker->sleep(0.5) && $end($turn); $turn++);
        }];
        yield [static function (TestWorker $worker) use ($end): void {
            for ($turn = 0; $worker->tick(0.5) && $end($turn); $turn++);
        }];
        yield [static fn (TestWorker $worker): int => $worker->run()];
    }

    public function testItHasAllVerbsOfTheRealWorker(): void
    {
        $loop = ['stream', 'install', '__construct'];
        $stub = file_get_contents(__DIR__ . '/../../../stubs/rustdaemon.stub.php');
        preg_match('/final class Worker\n.*?\n    }\n/s', $stub, $found);
        preg_match_all('/ function (\w+)\(/', $found[0], $verbs);
        self::assertSame([], array_diff($verbs[1], $loop, get_class_methods(TestWorker::class)));
    }
}
