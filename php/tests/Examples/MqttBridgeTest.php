<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Examples;

use PHPUnit\Framework\TestCase;
use RustDaemon\Client\RemoteException;
use RustDaemon\Tests\Child;
use RustDaemon\Tests\Directory;
use RustDaemon\Tests\Service;

/**
 * php/examples/mqtt-bridge.php, and a broker that speaks MQTT over TCP: fixtures/broker.php.
 */
final class MqttBridgeTest extends TestCase
{
    /** Where `cargo xtask test` unpacks it. */
    private const REACT = __DIR__ . '/../../../target/react/usr/share/icingaweb2/modules/reactbundle/vendor'
        . '/autoload.php';

    private Directory $directory;
    private ?Child $broker = null;
    private int $port = 0;
    private Service $bridge;

    protected function setUp(): void
    {
        self::assertFileExists(self::REACT, 'cargo xtask test puts it there');
        $this->directory = new Directory();
        $this->startBroker();
        $this->bridge = Service::example('mqtt-bridge.php');
        $this->bridge->start([$this->bridge->socket(), self::REACT, "tcp://127.0.0.1:$this->port", 'plant/#']);
        $this->brokerSays('subscribed plant/#');
    }

    protected function tearDown(): void
    {
        unset($this->bridge, $this->broker, $this->directory);
    }

    private function startBroker(): void
    {
        $output = "{$this->directory->path}/broker";
        is_file($output) && unlink($output);
        $this->broker = new Child([PHP_BINARY, '-n', __DIR__ . '/../fixtures/broker.php', "$this->port"], $output);
        $this->brokerSays('port ');
        sscanf($this->broker->output(), 'port %d', $this->port);
    }

    private function brokerSays(string $what): void
    {
        $says = fn (): bool => preg_match('/' . preg_quote($what, '/') . '.*\n/', $this->broker->output()) === 1;
        $this->broker->eventually("the broker says $what", $says);
    }

    /**
     * What another client of the broker's does.
     */
    private function device(string $topic, string $payload): void
    {
        $text = static fn (string $text): string => pack('n', strlen($text)) . $text;
        $packet = static fn (int $type, string $body): string => chr($type) . chr(strlen($body)) . $body;
        $stream = stream_socket_client("tcp://127.0.0.1:$this->port");
        fwrite($stream, $packet(0x10, "{$text('MQTT')}\4\2\0\0{$text('device')}"));
        self::assertSame("\x20\2\0\0", stream_get_contents($stream, 4));
        fwrite($stream, $packet(0x30, $text($topic) . $payload) . "\xE0\0");
        self::assertSame('', stream_get_contents($stream));
    }

    public function testWhatADevicePublishesIsKeptAndForwardedToThoseWhoWait(): void
    {
        $client = $this->bridge->client();
        self::assertNull($client->call('mqtt.last', 'plant/speed'));
        $waiting = [$client->begin('mqtt.next', ['plant/speed']), $client->begin('mqtt.next', ['plant/speed'])];
        $other = $client->begin('mqtt.next', ['plant/heat']);
        $this->bridge->eventually('three wait', fn (): bool => ($this->bridge->worker()['deferred'] ?? 0) === 3);
        $this->device('plant/speed', '42');
        self::assertSame(['42', '42'], array_map(static fn ($call) => $call->result(), $waiting));
        self::assertSame('42', $client->call('mqtt.last', 'plant/speed'));
        $this->device('plant/heat', "\u{b0}C");
        self::assertSame("\u{b0}C", $other->result());
        $this->device('elsewhere/speed', '7');
        self::assertNull($client->call('mqtt.last', 'elsewhere/speed'), 'it has not asked for that');
    }

    public function testWhatAPagePublishesReachesTheBroker(): void
    {
        $client = $this->bridge->client();
        $long = str_repeat('x', 1000);
        $next = $client->begin('mqtt.next', ['plant/text']);
        $this->bridge->eventually('it waits', fn (): bool => ($this->bridge->worker()['deferred'] ?? 0) === 1);
        $client->call('mqtt.publish', 'plant/text', $long);
        self::assertSame($long, $next->result(), 'the broker has sent it to all who have asked for it');
    }

    public function testTheSocketOutlivesTheBroker(): void
    {
        $client = $this->bridge->client();
        $this->device('plant/speed', '42');
        $this->bridge->eventually('it came', static fn (): bool => $client->call('mqtt.last', 'plant/speed') === '42');
        $pid = $this->bridge->worker()['pid'];
        $this->broker->kill();
        $publish = static function () use ($client): string {
            try {
                return (string) $client->call('mqtt.publish', 'plant/speed/set', '43');
            } catch (RemoteException $why) {
                return $why->class;
            }
        };
        self::assertSame('BrokerAway', $this->bridge->eventually('it is refused', $publish));
        self::assertSame('42', $client->call('mqtt.last', 'plant/speed'));

        $this->startBroker();
        $this->brokerSays('subscribed plant/#');
        $this->device('plant/speed', '44');
        $this->bridge->eventually('it came', static fn (): bool => $client->call('mqtt.last', 'plant/speed') === '44');
        self::assertSame($pid, $this->bridge->worker()['pid'], 'by the same process');
    }

    public function testAStopSaysGoodByeToTheBroker(): void
    {
        $this->bridge->stop();
        $this->brokerSays('good-bye');
    }
}
