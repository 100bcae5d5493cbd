<?php

declare(strict_types=1);

namespace App\Opcua;

use Psr\Log\LoggerInterface;

/**
 * One OPC UA session that stays open between requests.
 *
 * PHP has no OPC UA client, so the session lives in a bridge process (plant/bridge.py) that takes and answers JSON
 * lines. Bridge and session are one: the bridge opens the session and ends when it is lost. The first request starts
 * it, a request that finds it gone starts a new one; a request during which it is lost fails once and is not repeated.
 * A bridge that is silent for too long is killed: no request waits longer than the timeout to open plus the timeout to
 * read. When this process dies, however it dies, the bridge meets the end of its stdin and ends too.
 */
final class Session
{
    private const VALUE = 13;

    /** OPC UA attributes that only change when the plant is rebuilt; every node has the first. */
    private const METADATA = ['browseName' => 3, 'displayName' => 4, 'description' => 5, 'dataType' => 14];

    /** @var resource|null the bridge, from proc_open */
    private $bridge = null;

    /** @var resource[] its stdin and stdout, non-blocking */
    private array $pipes = [];

    /** What has come from the bridge and is no whole line yet. */
    private string $received = '';

    private int $opened = 0;
    private int $lastId = 0;

    /**
     * @param string[] $command argv of the bridge and the endpoint
     * @param float    $timeout seconds
     */
    public function __construct(private array $command, private float $timeout, private LoggerInterface $log)
    {
    }

    /**
     * Reads one attribute of one node; 13 is its value.
     *
     * @throws ServiceException    when the status is bad: no such node, no such attribute, a broken sensor
     * @throws ConnectionException when there is no session
     */
    public function read(string $node, int $attribute = self::VALUE): array
    {
        return ['node' => $node] + self::good($this->ask([[$node, $attribute]])[0], $node, $attribute);
    }

    /** Reads the values of many nodes in one request to the plant; each answer has its own status. */
    public function readMany(array $nodes): array
    {
        $nodes = array_values($nodes);
        $answers = $this->ask(array_map(static fn (string $node): array => [$node, self::VALUE], $nodes));

        return array_map(static fn (string $node, array $answer): array => ['node' => $node] + $answer, $nodes, $answers);
    }

    /** Reads what a node is called and made of. */
    public function describe(string $node): array
    {
        $attributes = array_values(self::METADATA);
        $answers = $this->ask(array_map(static fn (int $attribute): array => [$node, $attribute], $attributes));
        self::good($answers[0], $node, $attributes[0]);

        return ['node' => $node] + array_combine(array_keys(self::METADATA), array_column($answers, 'value'));
    }

    /**
     * Opens the session now, if it is not open: otherwise the first request does.
     *
     * @throws ConnectionException when the plant does not answer
     */
    public function connect(): void
    {
        if (! $this->isOpen()) {
            $this->open();
        }
    }

    /** Says how the session is, without touching it; `opened` counts the sessions of this process. */
    public function status(): array
    {
        $open = $this->isOpen();

        return [
            'open' => $open,
            'opened' => $this->opened,
            'bridgePid' => $open ? proc_get_status($this->bridge)['pid'] : null,
        ];
    }

    /** Lets the bridge close its session, kills it after $grace seconds, and waits for its end. */
    public function close(float $grace = 2.0): void
    {
        if ($this->bridge === null) {
            return;
        }
        [$bridge, $this->bridge] = [$this->bridge, null];
        [$stdin, $stdout] = $this->pipes;
        fclose($stdin);
        for ($deadline = self::now() + $grace; ! feof($stdout) && $this->wait([$stdout], [], $deadline);) {
            fread($stdout, 65536);
        }
        if (proc_get_status($bridge)['running']) {
            proc_terminate($bridge, 9); // KILL reaches a stopped process too
        }
        fclose($stdout);
        proc_close($bridge);
    }

    private function isOpen(): bool
    {
        return $this->bridge !== null && proc_get_status($this->bridge)['running'];
    }

    private function open(): void
    {
        $this->close(0.0); // what is left of the one before
        $bridge = proc_open($this->command, [['pipe', 'r'], ['pipe', 'w']], $pipes); // its stderr is ours
        if ($bridge === false) {
            throw new ConnectionException("The bridge does not start: {$this->command[0]}");
        }
        [$this->bridge, $this->pipes, $this->received] = [$bridge, $pipes, ''];
        array_map(static fn ($pipe): bool => stream_set_blocking($pipe, false), $pipes);
        $this->exchange(0, '');
        $this->log->info('OPC UA session opened', ['number' => ++$this->opened]);
    }

    /**
     * @param array<array{string, int}> $items nodes and attributes
     * @return array[] for each item its value, status, sourceTimestamp and serverTimestamp
     */
    private function ask(array $items): array
    {
        $id = ++$this->lastId;
        $request = json_encode(['id' => $id, 'read' => $items], JSON_THROW_ON_ERROR);
        $this->connect();

        return $this->exchange($id, "$request\n")['values'];
    }

    /**
     * Sends a line and returns the reply to it. Whatever goes wrong here, an exception from a signal handler included,
     * costs the session: no later request may meet an old reply.
     */
    private function exchange(int $id, string $line): array
    {
        $deadline = self::now() + $this->timeout;
        try {
            $this->send($line, $deadline);
            $reply = json_decode($this->receive($deadline), true, 512, JSON_THROW_ON_ERROR | JSON_BIGINT_AS_STRING);
            if (isset($reply['lost']) || $reply['id'] !== $id) {
                throw new ConnectionException('No OPC UA session: '.($reply['lost'] ?? 'the bridge is out of step'));
            }

            return $reply;
        } catch (\Throwable $lost) {
            $this->close(0.0);
            $this->log->warning($lost->getMessage());
            throw $lost;
        }
    }

    private function send(string $line, float $deadline): void
    {
        while ($line !== '') {
            $this->wait([], [$this->pipes[0]], $deadline) || throw $this->silent();
            $written = @fwrite($this->pipes[0], $line);
            if ($written === false) {
                return; // the bridge has ended: its last words are still to be read
            }
            $line = substr($line, $written);
        }
    }

    /** Returns the next line of the bridge. */
    private function receive(float $deadline): string
    {
        while (($end = strpos($this->received, "\n")) === false) {
            $this->wait([$this->pipes[1]], [], $deadline) || throw $this->silent();
            $chunk = (string) fread($this->pipes[1], 65536);
            if ($chunk === '' && feof($this->pipes[1])) {
                throw new ConnectionException('No OPC UA session: the bridge ended without a word; its stderr may say why');
            }
            $this->received .= $chunk;
        }
        $line = substr($this->received, 0, $end);
        $this->received = substr($this->received, $end + 1);

        return $line;
    }

    /** Waits until one of the streams is ready: false when the deadline comes first. A signal only interrupts one round. */
    private function wait(array $readable, array $writable, float $deadline): bool
    {
        do {
            [$read, $write, $except] = [$readable, $writable, null];
            $left = max(0.0, $deadline - self::now());
            $ready = @stream_select($read, $write, $except, (int) $left, (int) (fmod($left, 1.0) * 1e6)); // false: EINTR
        } while ($ready === false && $left > 0.0);

        return $ready > 0;
    }

    /** Seconds of the monotonic clock. */
    private static function now(): float
    {
        return hrtime(true) / 1e9;
    }

    private static function good(array $answer, string $node, int $attribute): array
    {
        if (str_starts_with($answer['status'], 'Bad')) {
            throw new ServiceException("{$answer['status']}: node $node, attribute $attribute");
        }

        return $answer;
    }

    private function silent(): ConnectionException
    {
        return new ConnectionException("No OPC UA session: the bridge was silent for {$this->timeout} seconds and is ended");
    }
}
