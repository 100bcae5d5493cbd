<?php

declare(strict_types=1);

namespace RustDaemon\Client;

use RustDaemon\Client\Internal\Exchange;
use RustDaemon\Client\Internal\Pending;

/**
 * A call that was begun: see ClientInterface::begin().
 *
 * Answers may come in any order; whoever waits for one keeps those of others for them. When nothing refers to a call
 * any more its answer is dropped.
 */
final class Call
{
    /**
     * @internal
     */
    public function __construct(private readonly Pending $pending, private readonly ?Exchange $exchange = null)
    {
    }

    /**
     * What was called.
     */
    public function method(): string
    {
        return $this->pending->method;
    }

    /**
     * Whether result() returns or throws at once.
     */
    public function isDone(): bool
    {
        $this->exchange?->look($this->pending);
        return !$this->pending->isOpen();
    }

    /**
     * Waits for the answer, until the client's timeout, which counts from begin().
     *
     * @return mixed the answer's data, the same every time; objects are arrays
     * @throws ClientException
     */
    public function result(): mixed
    {
        $this->exchange?->await($this->pending);
        return $this->pending->outcome();
    }
}
