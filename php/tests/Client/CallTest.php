<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Client;

use PHPUnit\Framework\TestCase;
use RustDaemon\Client\Call;
use RustDaemon\Client\Client;
use RustDaemon\Client\RemoteException;
use RustDaemon\Tests\Daemon;

/**
 * Calls of a real sidecar's methods, and of a real worker's behind it.
 */
final class CallTest extends TestCase
{
    private static ?Daemon $daemon;

    public static function setUpBeforeClass(): void
    {
        self::$daemon = new Daemon();
    }

    public static function tearDownAfterClass(): void
    {
        self::$daemon = null;
    }

    private static function client(): Client
    {
        return self::$daemon->client();
    }

    public function testArgumentsTravelByPositionOrByName(): void
    {
        $client = self::client();
        self::assertSame('a#13', $client->call('read', 'a'));
        self::assertSame('a#4', $client->call('read', 'a', 4));
        self::assertSame('b#7', $client->call('read', attribute: 7, node: 'b'));
        self::assertSame('c#5', $client->begin('read', ['attribute' => 5, 'node' => 'c'])->result());
        self::assertSame([], $client->call('echo'));
    }

    public function testTypesSurvive(): void
    {
        $client = self::client();
        $values = [null, true, 7, 0.1, 'a/é😀"\\', [1, [2]], ['k' => ['l' => null]], PHP_INT_MIN];
        self::assertSame($values, $client->call('echo', ...$values));
        self::assertSame('float', $client->call('type', 2.0));
        self::assertSame('int', $client->call('type', 2));
    }

    public function testWhatTheHandlerThrowsHasItsClassAndMessage(): void
    {
        try {
            self::client()->call('fail', 'no node "x"/é');
            self::fail('no exception');
        } catch (RemoteException $e) {
            self::assertSame(['fail', 'DomainException', 'no node "x"/é'], [$e->method, $e->class, $e->getMessage()]);
            self::assertTrue($e->mayHaveRun());
            self::assertContains(__FILE__, array_column($e->getTrace(), 'file'), 'the trace leads to the call');
        }
    }

    public function testAnUnknownMethodWasNotRun(): void
    {
        try {
            self::client()->call('no.such');
            self::fail('no exception');
        } catch (RemoteException $e) {
            self::assertSame(['unknown_method', 'Unknown method: no.such'], [$e->class, $e->getMessage()]);
            self::assertFalse($e->mayHaveRun());
        }
    }

    /**
     * "payload_too_large" may be a request that nobody has seen, or a result.
     */
    public function testAResultThatIsTooLargeWasSaidNotToHaveRun(): void
    {
        try {
            self::client()->call('text', 16_777_216);
            self::fail('no exception');
        } catch (RemoteException $e) {
            self::assertSame('payload_too_large', $e->class);
            self::assertTrue($e->mayHaveRun());
        }
    }

    public function testAMessageToNobodyWasSaidToHaveBeenTakenPerhaps(): void
    {
        try {
            self::client()->send('nobody', 'tags.changed');
            self::fail('no exception');
        } catch (RemoteException $e) {
            self::assertSame('unknown_worker', $e->class);
            self::assertFalse($e->mayHaveRun());
        }
    }

    public function testTheBuiltInVerbs(): void
    {
        $client = self::client();
        self::assertSame('ok', $client->ping()['status']);
        self::assertSame('main#0', $client->status()['workers'][0]['name']);
        self::assertContains(
            ['name' => 'echo', 'pool' => 'main', 'description' => 'Its arguments', 'idempotent' => true],
            $client->methods(),
        );
    }

    public function testAMessageReachesTheWorker(): void
    {
        $taken = self::client()->send('main#0', 'tags.changed', ['line' => 3]);
        self::assertSame(['acknowledged' => 1, 'workers' => ['main#0']], $taken);
        self::assertContains('tags.changed{"line":3}', self::$daemon->notes());
    }

    public function testWhatTheClientTakesForALookTheSidecarDoesToo(): void
    {
        $looks = [];
        foreach (self::client()->methods() as $method) {
            if ($method['pool'] === null && $method['idempotent']) {
                $looks[$method['name']] = true;
            }
        }
        $ours = (new \ReflectionClassConstant(\RustDaemon\Client\Internal\Exchange::class, 'LOOKS'))->getValue();
        self::assertEquals($looks, $ours);
    }

    public function testAnswersThatComeInAnotherOrderFindTheirCalls(): void
    {
        $client = self::client();
        $calls = [];
        foreach (['a', 'b', 'c'] as $name) {
            $calls[$name] = $client->begin('hold', [$name]);
        }
        self::assertFalse($calls['a']->isDone());
        $client->call('release', 'c', 'a', 'b');
        self::assertSame('b released', $calls['b']->result());
        $released = array_map(static fn (Call $call): mixed => $call->result(), $calls);
        self::assertSame(['a' => 'a released', 'b' => 'b released', 'c' => 'c released'], $released);
        self::assertTrue($calls['a']->isDone());
        self::assertSame('a released', $calls['a']->result(), 'the same again');
        self::assertSame('hold', $calls['a']->method());
    }

    public function testTheAnswerOfACallThatNobodyHoldsIsDropped(): void
    {
        $client = self::client();
        $client->begin('fail', ['nobody reads this']);
        self::assertSame(['x'], $client->call('echo', 'x'));
    }

    public function testManyCallsUnderWayWithLargeArgumentsAndAnswersDoNotBlockEachOther(): void
    {
        $client = self::client();
        $text = str_repeat('y', 1_000_000);
        $calls = array_map(static fn (int $n): Call => $client->begin('echo', [$n, $text]), range(0, 30));
        foreach ($calls as $n => $call) {
            self::assertSame([$n, $text], $call->result());
        }
    }

    public function testFramesOfSixteenMebibytesPass(): void
    {
        $client = self::client();
        $text = str_repeat('z', 16_777_000);
        self::assertTrue([$text] === $client->call('echo', $text));
    }

    public function testAllCallsOfAClientUseOneConnection(): void
    {
        $client = self::client();
        $before = $client->status()['connections'];
        $client->withTimeout(5.0)->call('echo');
        $client->withSession(null)->ping();
        self::assertSame($before, $client->status()['connections']);
    }

    public function testASessionIsNamedBesideTheArguments(): void
    {
        $client = self::client();
        $client->call('session');
        self::assertSame(['x'], $client->withSession('mine')->call('echo', 'x'));
        $longest = str_repeat('s', 256);
        self::assertSame(['x'], $client->withSession($longest)->call('echo', 'x'));
    }
}
