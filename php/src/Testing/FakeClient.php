<?php

declare(strict_types=1);

namespace RustDaemon\Testing;

use RustDaemon\Client\Call;
use RustDaemon\Client\ClientException;
use RustDaemon\Client\ClientInterface;
use RustDaemon\Client\Internal\Deadline;
use RustDaemon\Client\Internal\Frame;
use RustDaemon\Client\Internal\Pending;
use RustDaemon\Client\Internal\Verbs;
use SensitiveParameterValue;

/**
 * A client without a daemon, for tests of what calls one: it answers as it was told and remembers what it was asked.
 *
 * ```php
 * $client = new FakeClient([
 *     'plc.read' => fn (string $node): int => 42,          // called with the arguments
 *     'plc.write' => new TimedOut('plc.write: no answer in time', mayHaveRun: true),
 *     'plc.state' => 'running',                            // any other value is the answer
 * ]);
 * (new SpeedController($client))->show();
 * self::assertSame([['ns=2;s=Speed']], $client->calls('plc.read'));
 * ```
 *
 * Arguments and answers pass through JSON, as they do on the way to a worker: what cannot travel is refused here too,
 * objects arrive as arrays.
 */
final class FakeClient implements ClientInterface
{
    use Verbs;

    /**
     * Shared by all that were made by withTimeout() and withSession().
     */
    private FakeAnswers $answers;

    /**
     * @param array<string, mixed> $answers by method: see answer()
     */
    public function __construct(array $answers = [])
    {
        $this->answers = new FakeAnswers();
        foreach ($answers as $method => $answer) {
            $this->answer($method, $answer);
        }
    }

    /**
     * @internal a TestWorker's
     */
    public static function of(FakeAnswers $answers): self
    {
        $client = new self();
        $client->answers = $answers;
        return $client;
    }

    /**
     * What a method answers from now on; the method * is asked for all that have no answer of their own, with the name
     * and the arguments: fn (string $method, array $args).
     *
     * @param mixed $answer a closure or an invokable object is called with the arguments, and what it throws is the
     * caller's as if a worker had thrown it; a ClientException is thrown as it is; anything else is the answer
     */
    public function answer(string $method, mixed $answer): static
    {
        $this->answers->set($method, $answer);
        return $this;
    }

    /**
     * What a method was called with, in order: lists, or arrays by name.
     *
     * @return list<array<mixed>>
     */
    public function calls(string $method): array
    {
        return $this->answers->calls($method);
    }

    public function begin(string $method, array $arguments = []): Call
    {
        $frame = Frame::encode(1, $method, $arguments);
        $pending = new Pending(1, $method, new SensitiveParameterValue($frame), Deadline::in(null), getmypid());
        try {
            $pending->succeed($this->answers->to($method, json_decode($frame, true)['args']));
        } catch (ClientException $why) {
            $pending->fail(static fn (): ClientException => $why);
        }
        return new Call($pending);
    }

    public function withTimeout(?float $seconds): static
    {
        Deadline::check($seconds);
        return clone $this;
    }

    public function withSession(?string $session): static
    {
        Frame::checkSession($session);
        return clone $this;
    }
}
