<?php

declare(strict_types=1);

use React\EventLoop\LoopInterface;
use React\EventLoop\StreamSelectLoop;
use React\Socket\ConnectionInterface;
use React\Socket\Connector;
use RustDaemon\Request;
use RustDaemon\Worker;

// A broker's topics on the socket: one worker in ReactPHP's loop keeps the connection, PHP pages come and go.
//
//   composer require react/event-loop react/socket
//   php -d extension=rustdaemon.so mqtt-bridge.php /tmp/mqtt.sock vendor/autoload.php tcp://127.0.0.1:1883 'plant/#'
//   rustdaemon call --socket /tmp/mqtt.sock mqtt.publish '["plant/speed/set", "42"]'
//   rustdaemon call --socket /tmp/mqtt.sock mqtt.last '["plant/speed"]'     what came last; null: nothing yet
//   rustdaemon call --socket /tmp/mqtt.sock mqtt.next '["plant/speed"]'     waits for what comes next
//
// When the broker goes, the socket stays: mqtt.last answers what it knows, mqtt.publish is BrokerAway, and the bridge
// connects anew until the broker is back. It is as much of MQTT 3.1.1 as that needs: QoS 0, no TLS, no login.
require $argv[2];

final class BrokerAway extends RuntimeException
{
}

final class Bridge
{
    private ?ConnectionInterface $broker = null;
    private array $last = [];           // payload by topic
    private array $waiting = [];        // requests by topic
    private bool $stopping = false;

    public function __construct(private LoopInterface $loop, private string $uri, private string $topics)
    {
        $this->connect();
    }

    public function publish(string $topic, string $payload): void
    {
        $this->broker ?? throw new BrokerAway('the broker is away, and nothing was sent: ask again');
        $this->broker->write(self::packet(0x30, self::text($topic) . $payload));
    }

    public function last(string $topic): ?string
    {
        return $this->last[$topic] ?? null;
    }

    public function next(string $topic): void
    {
        $isOpen = static fn (Request $request): bool => $request->deadline > microtime(true);
        $this->waiting[$topic] = [...array_filter($this->waiting[$topic] ?? [], $isOpen), Request::current()->defer()];
    }

    public function stop(): void
    {
        $this->stopping = true;
        $this->broker === null ? $this->loop->stop() : $this->broker->end(self::packet(0xE0));      // DISCONNECT
    }

    private function connect(): void
    {
        $again = function (): void {
            $this->broker = null;
            $this->stopping ? $this->loop->stop() : $this->loop->addTimer(1.0, $this->connect(...));
        };
        $connector = new Connector($this->loop, ['timeout' => 5.0]);
        $connector->connect($this->uri)->then(function (ConnectionInterface $broker) use ($again): void {
            $broker->on('close', $again);
            $broker->on('data', function (string $data) use ($broker, &$buffer, &$heard): void {
                [$buffer, $heard] = [$buffer . $data, true];
                while ([$type, $body] = self::take($buffer)) {
                    $this->received($broker, $type, $body);
                }
            });
            $ping = $this->loop->addPeriodicTimer(30.0, static function () use ($broker, &$heard): void {
                $heard ? $broker->write(self::packet(0xC0)) : $broker->close();                     // PINGREQ
                $heard = false;
            });
            $broker->on('close', fn () => $this->loop->cancelTimer($ping));
            $name = 'rustdaemon-' . getmypid();
            $broker->write(self::packet(0x10, self::text('MQTT') . "\4\2" . pack('n', 60) . self::text($name)));
        }, $again);
    }

    private function received(ConnectionInterface $broker, int $type, string $body): void
    {
        if ($type === 0x20 && $body[1] !== "\0") {
            error_log('the broker refuses us: code ' . ord($body[1]));
            $broker->close();
        } elseif ($type === 0x20) {                                                                 // CONNACK
            $this->broker = $broker;
            $broker->write(self::packet(0x82, "\0\1" . self::text($this->topics) . "\0"));          // SUBSCRIBE
        } elseif ($type >> 4 === 3) {                                                               // PUBLISH
            $length = unpack('n', $body)[1];
            [$topic, $payload] = [substr($body, 2, $length), substr($body, 2 + $length)];
            $this->last[$topic] = $payload;
            foreach ($this->waiting[$topic] ?? [] as $request) {
                $request->reply($payload);
            }
            unset($this->waiting[$topic]);
        }
    }

    /** Takes a packet off the buffer, its first byte and its body; null: it is not all there. */
    private static function take(string &$buffer): ?array
    {
        for ($length = 0, $at = 1; isset($buffer[$at]); $at++) {
            $length |= (ord($buffer[$at]) & 127) << 7 * ($at - 1);
            if (ord($buffer[$at]) < 128) {
                $packet = [ord($buffer[0]), substr($buffer, ++$at, $length)];
                $isWhole = strlen($packet[1]) === $length;
                $buffer = $isWhole ? substr($buffer, $at + $length) : $buffer;
                return $isWhole ? $packet : null;
            }
        }
        return null;
    }

    private static function packet(int $type, string $body = ''): string
    {
        for ($length = '', $rest = strlen($body); $rest > 127; $rest >>= 7) {   // 7 bits in a byte, the lowest first
            $length .= chr($rest & 127 | 128);
        }
        return chr($type) . $length . chr($rest) . $body;
    }

    private static function text(string $text): string
    {
        return pack('n', strlen($text)) . $text;
    }
}

$worker = Worker::install(socket: $argv[1])->concurrency(100);
$loop = new StreamSelectLoop();
$bridge = new Bridge($loop, $argv[3], $argv[4]);
$worker->expose('mqtt.publish', $bridge->publish(...));
$worker->expose('mqtt.last', $bridge->last(...), idempotent: true);
$worker->expose('mqtt.next', $bridge->next(...), idempotent: true);

$loop->addReadStream($worker->stream(), static function () use ($worker, $loop, $bridge): void {
    if (!$worker->tick(0.0)) {
        $loop->removeReadStream($worker->stream());
        $bridge->stop();
    }
});
$loop->run();
