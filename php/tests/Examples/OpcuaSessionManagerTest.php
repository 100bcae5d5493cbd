<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Examples;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use RustDaemon\Tests\Service;

/**
 * php/examples/opcua-session-manager.php with a stand-in of php-opcua's classes: byte for byte what its clients read.
 */
final class OpcuaSessionManagerTest extends TestCase
{
    private const AUTOLOAD = __DIR__ . '/../fixtures/opcua/autoload.php';
    private const PLANT = '"endpointUrl":"opc.tcp:\/\/plant:4840"';

    private function manager(array $environment = []): Service
    {
        $manager = Service::example('opcua-session-manager.php');
        $manager->start([$manager->socket(), self::AUTOLOAD], $environment);
        return $manager;
    }

    private static function session(Service $manager, string $more = ''): string
    {
        $reply = $manager->flat('{"command":"open",' . self::PLANT . "$more}");
        self::assertMatchesRegularExpression('/^\{"success":true,"data":\{"sessionId":"[0-9a-f]{32}"\}\}\n$/', $reply);
        return json_decode($reply)->data->sessionId;
    }

    public function testTheScriptHasAtMostThirtyLines(): void
    {
        self::assertLessThanOrEqual(30, count(file(dirname(__DIR__, 2) . '/examples/opcua-session-manager.php')));
    }

    public function testTheSevenCommandsAreAnsweredAsByTheirOwnDaemon(): void
    {
        $manager = $this->manager();
        $id = self::session($manager, ',"config":{"username":"op","password":"secret"}');
        $again = '{"command":"open",' . self::PLANT . ',"config":{"username":"op","password":"another"}}';
        $reused = "{\"success\":true,\"data\":{\"sessionId\":\"$id\",\"reused\":true}}\n";
        self::assertSame($reused, $manager->flat($again));

        $ask = static fn (string $keys): string => $manager->flat("{\"sessionId\":\"$id\",$keys}");
        foreach (
            [
                '"command":"query","method":"read","params":["i=2258\/x"]' => '{"node":"i=2258\/x","value":4.2}',
                '"command":"query","method":"getTimeout","params":[]' => '5',
                '"command":"invoke","method":"add","args":[1,2]' => '{"data":3}',
                '"command":"describe"' =>
                    '{"methods":["add"],"modules":[],"wireClasses":[],"enumClasses":[],"wireTypeIds":[]}',
            ] as $keys => $data
        ) {
            self::assertSame("{\"success\":true,\"data\":$data}\n", $ask($keys));
        }
        self::assertMatchesRegularExpression(
            '/^\{"success":true,"data":\{"count":1,"sessions":\[\{"id":"' . $id . '",'
            . '"endpointUrl":"opc.tcp:\\\\\/\\\\\/plant:4840","lastUsed":\d+\.\d+,'
            . '"config":\{"username":"op"\}\}\]\}\}\n$/',
            $manager->flat('{"command":"list"}'),
        );
        self::assertMatchesRegularExpression(
            '/^\{"success":true,"data":\{"status":"ok","sessions":1,"time":\d+\.\d+[,}]/',
            $manager->flat('{"command":"ping"}'),
        );
        self::assertSame("{\"success\":true,\"data\":null}\n", $ask('"command":"close"'));
        self::assertStringContainsString('"sessions":0', $manager->flat('{"command":"ping"}'));
    }

    /**
     * @dataProvider refusals
     */
    #[DataProvider('refusals')]
    public function testARefusalHasTheirWordAndTheirSentence(string $request, string $type, string $message): void
    {
        $manager = $this->manager();
        $id = self::session($manager);
        $refusal = json_encode(['success' => false, 'error' => ['type' => $type, 'message' => $message]]);
        self::assertSame("$refusal\n", $manager->flat(strtr($request, ['ID' => $id])));
    }

    public static function refusals(): array
    {
        return [
            ['{"command":"query","sessionId":"abc","method":"read"}', 'session_not_found', 'Session not found: abc'],
            ['{"command":"close","sessionId":"abc"}', 'session_not_found', 'Session not found: abc'],
            ['{"command":"query","sessionId":"a","method":"raw"}', 'forbidden_method', 'Method not allowed: raw'],
            [
                '{"command":"invoke","sessionId":"ID","method":""}',
                'invalid_argument',
                'invoke: "method" must be a non-empty string.',
            ],
            ['{"command":"invoke","sessionId":"ID","method":"no"}', 'unknown_method', 'Method not found: no'],
            ['{"command":"open","endpointUrl":"opc.tcp:\/\/x"}', 'ConnectionException', 'nobody listens there'],
            ['{"command":"stop"}', 'unknown_command', 'Unknown command: stop'],
        ];
    }

    public function testTheTokenIsAskedForAsByTheirDaemonAndTheModeIsTheSockets(): void
    {
        $manager = Service::example('opcua-session-manager.php');
        $words = [$manager->socket(), self::AUTOLOAD, '0660'];
        $manager->start($words, ['OPCUA_AUTH_TOKEN' => 'secret'], token: 'secret');
        self::assertSame(0660, fileperms($manager->socket()) & 0777);
        $refused = '{"success":false,"error":{"type":"auth_failed","message":"Invalid or missing auth token"}}' . "\n";
        foreach (['{"command":"list"}', '{"command":"ping"}', '{"command":"list","authToken":"wrong"}'] as $request) {
            self::assertSame($refused, $manager->flat($request));
        }
        self::assertSame(
            '{"success":true,"data":{"count":0,"sessions":[]}}' . "\n",
            $manager->flat('{"command":"list","authToken":"secret"}'),
        );
    }

    public function testNoMoreSessionsAreOpenedThanTheirManagerWouldOpen(): void
    {
        $manager = $this->manager();
        for ($i = 0; $i < 100; $i++) {
            self::session($manager, ',"forceNew":true');
        }
        self::assertSame(
            '{"success":false,"error":{"type":"max_sessions_reached",'
            . "\"message\":\"Maximum number of sessions (100) reached\"}}\n",
            $manager->flat('{"command":"open",' . self::PLANT . ',"forceNew":true}'),
        );
    }

    public function testASessionThatNobodyUsesIsClosedAtThePlant(): void
    {
        $manager = $this->manager(['OPCUA_SESSION_TIMEOUT' => '0.2']);
        $id = self::session($manager);
        $manager->eventually('it is closed', static fn (): bool => str_contains($manager->output(), 'session closed'));
        $gone = $manager->flat("{\"command\":\"query\",\"sessionId\":\"$id\",\"method\":\"read\",\"params\":[1]}");
        self::assertStringContainsString("Session not found: $id", $gone);
    }

    public function testEachOfTwoWorkersHasItsOwnSessions(): void
    {
        $manager = Service::example('opcua-session-manager.php');
        $manager->supervise(['--workers', '2', '--affinity', 'sessionId'], [$manager->socket(), self::AUTOLOAD]);
        $sessions = array_map(static fn (): string => self::session($manager, ',"forceNew":true'), range(1, 6));
        foreach ([...$sessions, ...$sessions] as $id) {
            $read = $manager->flat('{"command":"query","method":"read","params":[1],"sessionId":"' . $id . '"}');
            self::assertSame("{\"success\":true,\"data\":{\"node\":1,\"value\":4.2}}\n", $read);
        }
        self::assertSame([true, true], array_map(static fn (array $w): bool => $w['served'] > 0, $manager->workers()));
    }

    public function testAKilledWorkerCostsItsSessionsAndNothingElse(): void
    {
        $manager = $this->manager();
        $id = self::session($manager);
        $pid = $manager->worker()['pid'];
        posix_kill($pid, SIGKILL);
        $lost = $manager->flat("{\"command\":\"query\",\"sessionId\":\"$id\",\"method\":\"read\",\"params\":[1]}");
        self::assertStringContainsString('"type":"session_not_found"', $lost);
        self::session($manager);
        self::assertNotSame($pid, $manager->worker()['pid']);
    }
}
