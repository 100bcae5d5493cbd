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
