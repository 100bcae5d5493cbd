<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Client;

use PHPUnit\Framework\Attributes\RequiresPhpExtension;
use PHPUnit\Framework\TestCase;
use RustDaemon\Client\Call;
use RustDaemon\Client\Client;
use RustDaemon\Client\ConnectionLost;
use RustDaemon\Client\InvalidArgument;
use RustDaemon\Client\RemoteException;
use RustDaemon\Client\TimedOut;
use RustDaemon\Tests\Daemon;
use RustDaemon\Tests\Peer;

/**
 * Connections that end, forks, and time.
 */
final class ConnectionTest extends TestCase
{
    public function testAnIdleConnectionThatHasEndedIsReplacedWithoutAWord(): void
    {
        $daemon = new Daemon();
        $client = $daemon->client();
        $client->call('note', 'before');
        $daemon->kill();
        $daemon->start();
        $client->call('note', 'after');
        self::assertSame(['before', 'after'], $daemon->notes());
    }

    public function testWhatWasUnderWayIsAskedOnceMoreOnlyIfItIsIdempotent(): void
    {
        $daemon = new Daemon();
        $client = $daemon->client();
        $plain = $client->begin('hold', ['plain']);
        $idempotent = $client->begin('hold.idempotent', ['twice']);
        $look = $client->begin('daemon.status');
        $daemon->eventually('both are held', static fn (): bool => count($daemon->notes()) === 2);
        $daemon->kill();
        $daemon->start();
        $again = static fn (): bool => !$idempotent->isDone() && count($daemon->notes()) === 3;
        $daemon->eventually('it is held again', $again);
        self::assertSame('main#0', $look->result()['workers'][0]['name']);
        $client->call('release', 'twice');
        self::assertSame('twice released', $idempotent->result());
        self::assertSame(['plain', 'twice', 'twice'], $daemon->notes());
        try {
            $plain->result();
            self::fail('no exception');
        } catch (ConnectionLost $e) {
            self::assertTrue($e->mayHaveRun());
            self::assertStringContainsString('hold: the connection to ' . $daemon->socket(), $e->getMessage());
            self::assertStringContainsString('it may have been executed', $e->getMessage());
        }
    }

    public function testWhenNobodyListensAnyMoreTheSentenceSaysBoth(): void
    {
        $daemon = new Daemon();
        $client = $daemon->client();
        $call = $client->begin('hold.idempotent', ['x']);
        $daemon->eventually('it is held', static fn (): bool => $daemon->notes() === ['x']);
        $daemon->kill();
        $this->expectException(ConnectionLost::class);
        $this->expectExceptionMessageMatches('/may have been executed; nobody listens at .*behind it has gone$/');
        $call->result();
    }

    public function testHoweverOftenTheDaemonIsKilledNothingRunsTwiceAndWhatIsSaidOfItIsTrue(): void
    {
        $daemon = new Daemon();
        $client = $daemon->client();
        $outcomes = [];
        for ($round = 0; $round < 8; $round++) {
            $names = array_map(static fn (int $n): string => "$round.$n", range(0, 39));
            $calls = array_map(static fn (string $name): Call => $client->begin('note', [$name]), $names);
            $calls[40] = $client->begin('hold', [$names[40] = "$round.held"]); // has no answer when the kill comes
            $after = random_int(0, 30);
            foreach ($calls as $n => $call) {
                $n === $after && $daemon->kill();
                try {
                    $outcomes[$names[$n]] = $call->result();
                } catch (ConnectionLost $e) {
                    $outcomes[$names[$n]] = $e->mayHaveRun();
                }
            }
            $daemon->start();
        }
        $notes = $daemon->notes();
        self::assertSame(array_unique($notes), $notes);
        $ran = array_fill_keys($notes, true);
        foreach ($outcomes as $name => $outcome) {
            $outcome === (string) $name && self::assertArrayHasKey($name, $ran, 'answered, and so executed');
            $outcome === false && self::assertArrayNotHasKey($name, $ran, 'said not to have been executed');
        }
        self::assertGreaterThanOrEqual(8, count(array_filter($outcomes, is_bool(...))), 'those that were held');
        self::assertSame(['x'], $client->call('echo', 'x'));
    }

    public function testNothingIsAskedAThirdTime(): void
    {
        $peer = new Peer('echo fgets($peer); fclose($peer);');
        try {
            (new Client($peer->socket))->ping();
            self::fail('no exception');
        } catch (ConnectionLost $e) {
            self::assertTrue($e->mayHaveRun());
            self::assertSame(2, substr_count($peer->output(), '"method":"ping"'));
        }
    }

    /**
     * @requires extension pcntl
     */
    #[RequiresPhpExtension('pcntl')]
    public function testAForkAndItsParentHaveConnectionsOfTheirOwn(): void
    {
        $daemon = new Daemon();
        $client = $daemon->client();
        $call = $client->begin('hold', ['parent']);
        $pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        $child = pcntl_fork();
        if ($child === 0) {
            try {
                $call->result();
                $said = 'the parent\'s answer';
            } catch (ConnectionLost $e) {
                $said = $e->getMessage();
            }
            $answers = [$client->call('client'), $client->begin('echo', [1])->result(), $said];
            fwrite($pair[1], json_encode($answers) . "\n");
            posix_kill(getmypid(), SIGKILL); // not PHPUnit's end
        }
        [$pid, $echo, $said] = json_decode(fgets($pair[0]), true);
        pcntl_waitpid($child, $status);
        self::assertSame([$child, [1]], [$pid, $echo]);
        self::assertStringContainsString('hold was called by process ' . getmypid() . ' before this process', $said);
        $client->call('release', 'parent');
        self::assertSame('parent released', $call->result());
        self::assertSame(getmypid(), $client->call('client'));
    }

    /**
     * @requires extension pcntl
     */
    #[RequiresPhpExtension('pcntl')]
    public function testASignalHandlerMayCallTheClientThatItHasInterrupted(): void
    {
        $daemon = new Daemon();
        $client = $daemon->client();
        $held = $client->begin('hold', ['x']);
        $refused = null;
        $async = pcntl_async_signals(true);
        pcntl_signal(SIGALRM, static function () use ($client, $held, &$refused): void {
            try {
                $held->result();
            } catch (InvalidArgument $e) {
                $refused = $e->getMessage();
            }
            $client->call('release', 'x');
        });
        try {
            pcntl_alarm(1);
            self::assertSame('x released', $held->result());
        } finally {
            pcntl_signal(SIGALRM, SIG_DFL);
            pcntl_async_signals($async);
        }
        self::assertStringContainsString('cannot be waited for here', $refused);
        self::assertSame([1], $client->call('echo', 1));
    }

    /**
     * @requires extension pcntl
     */
    #[RequiresPhpExtension('pcntl')]
    public function testAnExceptionOfASignalHandlerLeavesTheCallAndTheClientUsable(): void
    {
        $daemon = new Daemon();
        $client = $daemon->client();
        $async = pcntl_async_signals(true);
        pcntl_signal(SIGALRM, static fn () => throw new \LogicException('enough'));
        try {
            pcntl_alarm(1);
            $client->call('hold', 'x');
            self::fail('no exception');
        } catch (\LogicException $e) {
            self::assertSame('enough', $e->getMessage());
        } finally {
            pcntl_signal(SIGALRM, SIG_DFL);
            pcntl_async_signals($async);
        }
        self::assertSame([1], $client->call('echo', 1));
    }

    /**
     * The method was idempotent, says the daemon; then it is another release's.
     */
    public function testWhatWasIdempotentOnceWasExecutedTwiceThoughItIsSoNoMore(): void
    {
        $peer = new Peer('static $asked = 0; while ($line = fgets($peer)) {
            ["id" => $id, "method" => $method] = json_decode($line, true);
            if ($method === "pay") { echo "paid\\n"; fclose($peer); break; }
            $pay = ["name" => "pay", "pool" => "shop", "description" => null, "idempotent" => $asked++ === 0];
            $data = ["methods" => [$pay]];
            fwrite($peer, json_encode(["t" => "res", "id" => $id, "ok" => true, "data" => $data]) . "\\n");
        }');
        $client = new Client($peer->socket, timeout: 20.0);
        self::assertTrue($client->methods()[0]['idempotent']);
        try {
            $client->call('pay');
            self::fail('no exception');
        } catch (ConnectionLost $e) {
            self::assertTrue($e->mayHaveRun());
        }
        self::assertSame(1, substr_count($peer->output(), 'paid'));
    }

    public function testTimeIsUpHoweverOftenSomethingComes(): void
    {
        $peer = new Peer('fgets($peer); while (@fwrite($peer, " ")) { usleep(5000); }');
        $begun = hrtime(true);
        try {
            (new Client($peer->socket, timeout: 0.3))->ping();
            self::fail('no exception');
        } catch (TimedOut $e) {
            self::assertGreaterThanOrEqual(0.3, (hrtime(true) - $begun) / 1e9);
            self::assertStringContainsString('it may have been executed', $e->getMessage());
            self::assertTrue($e->mayHaveRun());
        }
    }

    public function testTimeIsUpWhereNobodyReads(): void
    {
        $peer = new Peer('sleep(60);');
        try {
            (new Client($peer->socket, timeout: 0.3))->call('x', str_repeat('x', 4_000_000));
            self::fail('no exception');
        } catch (TimedOut $e) {
            self::assertStringContainsString('did not take the request in time; it was not', $e->getMessage());
            self::assertFalse($e->mayHaveRun());
        }
    }

    public function testAnAnswerThatComesTooLateHarmsNobody(): void
    {
        $daemon = new Daemon();
        $client = $daemon->client();
        $late = $client->withTimeout(0.2)->begin('hold', ['x']);
        try {
            $late->result();
            self::fail('no exception');
        } catch (TimedOut) {
            self::assertTrue($late->isDone());
        }
        $client->call('release', 'x');
        self::assertSame([2], $client->call('echo', 2));
        $this->expectException(TimedOut::class);
        $late->result();
    }

    public function testTheDaemonsOwnDeadlineIsATimeOutToo(): void
    {
        $daemon = new Daemon(['--request-timeout', '200ms']);
        $this->expectException(TimedOut::class);
        $this->expectExceptionMessageMatches('/^hold: .*executed/');
        $daemon->client(timeout: null)->call('hold', 'x');
    }

    public function testWhetherItWasBegunIsSaidByTheDaemonBeforeTimeIsUp(): void
    {
        $daemon = new Daemon();
        $client = $daemon->client();
        $begun = $client->withTimeout(2.0)->begin('hold', ['begun']);
        $daemon->eventually('it is held', static fn (): bool => $daemon->notes() === ['begun']);
        $client->begin('worker.pause', ['main#0']); // answered when nothing is open any more
        $waiting = $client->withTimeout(2.0)->begin('note', ['never']);
        foreach ([[$begun, 'may have been executed', true], [$waiting, 'was not started', false]] as $expected) {
            [$call, $said, $mayHaveRun] = $expected;
            try {
                $call->result();
                self::fail('no exception');
            } catch (TimedOut $e) {
                self::assertStringEndsWith("1.8 s; the request $said", $e->getMessage());
                self::assertSame($mayHaveRun, $e->mayHaveRun());
            }
        }
        self::assertSame(['begun'], $daemon->notes());
    }

    public function testALateAnswerIsKeptForWhoLooksLater(): void
    {
        $daemon = new Daemon();
        $client = $daemon->client();
        $call = $client->begin('echo', ['x']);
        $daemon->eventually('it is done', $call->isDone(...));
        $daemon->kill();
        self::assertSame(['x'], $call->result());
    }

    public function testTheTokenIsShownAndAMissingOrWrongOneIsSaid(): void
    {
        $daemon = new Daemon(['--token-env', 'APP_TOKEN'], ['APP_TOKEN' => 's3cret/é']);
        self::assertSame(['x'], $daemon->client()->call('echo', 'x'));
        foreach ([[null, 'was given none'], ['other', 'was given another one']] as [$token, $why]) {
            $client = new Client($daemon->socket(), token: $token);
            try {
                $client->call('echo', 'x');
                self::fail('no exception');
            } catch (RemoteException $e) {
                self::assertSame('auth_failed', $e->class);
                self::assertSame("Invalid or missing auth token: the client $why", $e->getMessage());
                self::assertFalse($e->mayHaveRun());
            }
        }
        self::assertSame('ok', (new Client($daemon->socket()))->ping()['status'], 'it needs none');
    }

    /**
     * stream_select() cannot wait for descriptors from 1024 on.
     */
    public function testAProcessWithManyOpenFilesIsServedToo(): void
    {
        $daemon = new Daemon();
        $open = [];
        while (count($open) < 1100 && ($file = @fopen('/dev/null', 'r')) !== false) {
            $open[] = $file;
        }
        if (count($open) < 1100) {
            self::markTestSkipped('a process may not have 1100 files open here: ulimit -n');
        }
        self::assertSame('x#13', $daemon->client()->call('read', 'x'));
    }

    public function testTcp(): void
    {
        $probe = stream_socket_server('tcp://127.0.0.1:0');
        $address = stream_socket_get_name($probe, false);
        fclose($probe);
        $daemon = new Daemon(['--token-env', 'APP_TOKEN', '--tcp', $address], ['APP_TOKEN' => 't']);
        self::assertSame(['x'], (new Client("tcp://$address", 't'))->call('echo', 'x'));
        unset($daemon);
        $this->expectExceptionMessage("nobody listens at tcp://$address");
        (new Client("tcp://$address", 't'))->ping();
    }
}
