<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Client;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\Attributes\RequiresPhpExtension;
use PHPUnit\Framework\TestCase;
use RustDaemon\Client\Client;
use RustDaemon\Client\ClientException;
use RustDaemon\Client\ConnectFailed;
use RustDaemon\Client\InvalidArgument;
use RustDaemon\Client\ProtocolError;
use RustDaemon\Client\RemoteException;
use RustDaemon\Tests\Daemon;
use RustDaemon\Tests\Directory;
use RustDaemon\Tests\Peer;

/**
 * What cannot be: each is one sentence and the right exception, and nothing is lost.
 */
final class BadInputTest extends TestCase
{
    private static function refused(callable $attempt): ClientException
    {
        try {
            $attempt();
        } catch (ClientException $e) {
            return $e;
        }
        self::fail('no exception');
    }

    /**
     * @dataProvider endpoints
     */
    #[DataProvider('endpoints')]
    public function testEndpointsThatCannotBe(string $endpoint, string $why): void
    {
        $e = self::refused(static fn () => new Client($endpoint));
        self::assertInstanceOf(InvalidArgument::class, $e);
        self::assertStringContainsString($why, $e->getMessage());
        self::assertStringNotContainsString("\n", $e->getMessage());
    }

    public static function endpoints(): iterable
    {
        $give = 'is not possible: give unix:///path, tcp://address:port, or the path';
        yield 'empty' => ['', $give];
        yield 'no path' => ['unix://', $give];
        yield 'NUL' => ["/run/a\0b", $give];
        yield 'another scheme' => ['http://localhost/', $give];
        yield 'one slash' => ['unix:/run/x', $give];
        yield 'no port' => ['tcp://127.0.0.1', $give];
        yield 'a large port' => ['tcp://127.0.0.1:65536', 'a port is a number from 1 to 65535'];
        yield 'no IPv6 brackets' => ['tcp://::1:99', $give];
        yield 'no UTF-8' => ["x:\xFF", $give];
        yield 'too long' => ['/' . str_repeat('x', 107), 'it has 108 bytes; a socket\'s path may have 107'];
    }

    /**
     * @dataProvider times
     */
    #[DataProvider('times')]
    public function testTimesThatCannotBe(float $seconds): void
    {
        $make = static fn () => new Client('/x', timeout: $seconds);
        $change = static fn () => (new Client('/x'))->withTimeout($seconds);
        foreach ([$make, $change] as $attempt) {
            $e = self::refused($attempt);
            self::assertInstanceOf(InvalidArgument::class, $e);
            self::assertStringStartsWith('timeout: ', $e->getMessage());
        }
    }

    public static function times(): iterable
    {
        yield [0.0];
        yield [-1.0];
        yield [NAN];
    }

    public function testATokenThatIsNoTextWasSaidToBeAnArgument(): void
    {
        $e = self::refused(static fn () => new Client('/x', "\xFF"));
        self::assertInstanceOf(InvalidArgument::class, $e);
        self::assertSame('token: is not UTF-8, and no token of a daemon is', $e->getMessage());
    }

    /**
     * @dataProvider sessions
     */
    #[DataProvider('sessions')]
    public function testASessionThatCannotBeWasRefusedByTheDaemonOnly(string $session, string $said): void
    {
        $e = self::refused(static fn () => (new Client('/x'))->withSession($session));
        self::assertInstanceOf(InvalidArgument::class, $e);
        self::assertSame("session: $said", $e->getMessage());
    }

    public static function sessions(): iterable
    {
        yield ['', 'is empty; give null for none'];
        yield [str_repeat('s', 257), 'has 257 bytes; a session has 1 to 256'];
        yield ["\xFF", 'is not UTF-8, and no session of a daemon is'];
    }

    public function testATimeWithoutAnEnd(): void
    {
        $daemon = new Daemon();
        self::assertSame('ok', $daemon->client(INF)->ping()['status']);
        self::assertSame('ok', $daemon->client(null)->ping()['status']);
        self::assertSame('ok', $daemon->client(PHP_FLOAT_MAX)->ping()['status']);
    }

    /**
     * @dataProvider arguments
     */
    #[DataProvider('arguments')]
    public function testArgumentsThatCannotTravel(array $arguments, string $why): void
    {
        $e = self::refused(static fn () => (new Client('/nobody/listens'))->begin('x', $arguments));
        self::assertInstanceOf(InvalidArgument::class, $e);
        self::assertStringContainsString($why, $e->getMessage());
    }

    public static function arguments(): iterable
    {
        $nested = static fn (int $levels): array => json_decode(str_repeat('[', $levels) . str_repeat(']', $levels));
        yield 'bytes' => [["\xFF"], 'x: the arguments cannot be sent: a text is not UTF-8'];
        yield 'NAN' => [[NAN], 'inf and NaN cannot be JSON encoded'];
        yield 'a stream' => [[STDIN], 'type is not supported'];
        yield 'nested' => [$nested(31), 'they are nested more than 30 levels deep'];
        yield 'large' => [[str_repeat('x', 16_777_216)], 'x: the request has 16777'];
        yield 'mixed' => [['a', 'attribute' => 4], 'x: give all arguments by position, or all by name'];
        yield 'numbered' => [[1 => 'a'], 'x: give all arguments by position, or all by name'];
    }

    public function testTheDeepestArgumentsPass(): void
    {
        $daemon = new Daemon();
        $deepest = json_decode(str_repeat('[', 29) . str_repeat(']', 29));
        self::assertSame([$deepest], $daemon->client()->call('echo', $deepest));
        self::assertInstanceOf(InvalidArgument::class, self::refused(static fn () => $daemon->client()->call('')));
    }

    public function testNobodyListens(): void
    {
        $directory = new Directory();
        $path = "$directory->path/s";
        $ask = static fn (string $endpoint = '') => (new Client($endpoint ?: $path, timeout: 5.0))->ping();
        $e = self::refused($ask);
        self::assertInstanceOf(ConnectFailed::class, $e);
        self::assertSame("nobody listens at $path: there is no such socket; is the daemon running?", $e->getMessage());
        self::assertFalse($e->mayHaveRun());

        fclose(stream_socket_server("unix://$path"));
        $e = self::refused($ask);
        self::assertStringContainsString('the socket is there, but the daemon behind it has gone', $e->getMessage());

        unlink($path);
        touch($path);
        self::assertSame("$path is not a socket but a file", self::refused($ask)->getMessage());
        self::assertStringContainsString('not a socket but a dir', self::refused(fn () => $ask('/tmp'))->getMessage());
    }

    public function testADatagramSocketIsSaid(): void
    {
        $directory = new Directory();
        $server = stream_socket_server("udg://$directory->path/s", $code, $error, STREAM_SERVER_BIND);
        $e = self::refused(static fn () => (new Client("$directory->path/s"))->ping());
        self::assertStringContainsString('is a socket of another kind', $e->getMessage());
        fclose($server);
    }

    /**
     * @requires extension pcntl
     * @requires extension posix
     */
    #[RequiresPhpExtension('pcntl')]
    #[RequiresPhpExtension('posix')]
    public function testASocketThatOneMayNotConnectToIsSaidWithItsMode(): void
    {
        if (posix_geteuid() !== 0) {
            self::markTestSkipped('not root: nobody to become');
        }
        $daemon = new Daemon();
        chmod(dirname($daemon->socket()), 0755);
        $pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        $child = pcntl_fork();
        if ($child === 0) {
            posix_setuid(65534);
            fwrite($pair[1], self::refused(static fn () => $daemon->client()->ping())->getMessage() . "\n");
            posix_kill(getmypid(), SIGKILL);
        }
        $socket = $daemon->socket();
        self::assertSame(
            "uid 65534 may not connect to $socket, which has mode 0600, uid 0, gid 0; "
                . "see socket_mode and socket_group\n",
            fgets($pair[0]),
        );
        pcntl_waitpid($child, $status);
    }

    /**
     * @dataProvider strangers
     */
    #[DataProvider('strangers')]
    public function testWhoIsNotRustdaemonIsShown(string $php, string $why): void
    {
        $peer = new Peer($php);
        $e = self::refused(static fn () => (new Client($peer->socket, timeout: 20.0))->ping());
        self::assertInstanceOf(ProtocolError::class, $e);
        self::assertStringContainsString("$peer->socket is not rustdaemon: $why", $e->getMessage());
        self::assertStringNotContainsString("\n", $e->getMessage());
    }

    public static function strangers(): iterable
    {
        $say = static fn (string $line): string
            => 'fgets($peer); fwrite($peer, ' . var_export("$line\n", true) . '); fgets($peer);';
        yield 'a web server' => [$say('HTTP/1.1 400 Bad Request'), 'it answered "HTTP/1.1 400 Bad Request"'];
        yield 'bytes' => [$say("\xFF\x00"), 'it answered'];
        yield 'a number' => [$say('7'), 'it answered "7"'];
        yield 'JSON of another kind' => [$say('{"jsonrpc":"2.0"}'), 'it answered "{\\"jsonrpc'];
        yield 'half an answer' => [$say('{"t":"res","id":1}'), 'it answered'];
        yield 'an error without a class' => [$say('{"t":"res","id":1,"ok":false}'), 'it answered'];
        yield 'an id of another kind' => [$say('{"t":"res","id":[1],"ok":true,"data":1}'), 'it answered'];
        yield 'an error of another kind' => [
            $say('{"t":"res","id":1,"ok":false,"error":{"class":"X","message":[1]}}'),
            'it answered',
        ];
        yield 'an opcua-session-manager' => [
            $say('{"success":false,"error":{"type":"unknown_command","message":"Unknown command: "}}'),
            'it answered',
        ];
        yield 'no end' => [
            'fgets($peer); while (@fwrite($peer, str_repeat("x", 1 << 20))) { }',
            'a line of more than 33554432 bytes came',
        ];
    }

    public function testAnAnswerToNobodyIsIgnored(): void
    {
        $peer = new Peer('while (fgets($peer)) { fwrite($peer, \'{"t":"res","id":99,"ok":true,"data":1}\' . "\n"
            . \'{"t":"evt","id":1,"data":1}\' . "\n"
            . \'{"t":"res","id":1,"ok":true,"data":{"status":"ok"}}\' . "\n"); }');
        self::assertSame(['status' => 'ok'], (new Client($peer->socket))->ping());
    }

    public function testWhatIsRefusedBeforeARequestIsReadIsARemoteError(): void
    {
        $peer = new Peer('fgets($peer); fwrite($peer, \'{"success":false,"error":{"type":"too_many_connections",\'
            . \'"message":"Too many concurrent connections"}}\' . "\n");');
        $e = self::refused(static fn () => (new Client($peer->socket))->ping());
        self::assertInstanceOf(RemoteException::class, $e);
        self::assertSame(['ping', 'too_many_connections'], [$e->method, $e->class]);
        self::assertFalse($e->mayHaveRun());
    }

    public function testAClientDoesNotShowItsTokenAndCannotBeStored(): void
    {
        $peer = new Peer('fgets($peer); sleep(60);');
        $client = new Client($peer->socket, token: 's3cret');
        $call = $client->begin('x');
        self::assertStringNotContainsString('s3cret', print_r([$client, $call], true) . var_export($client, true));
        $this->expectException(InvalidArgument::class);
        serialize($client);
    }
}
