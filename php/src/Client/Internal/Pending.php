<?php

declare(strict_types=1);

namespace RustDaemon\Client\Internal;

use Closure;
use RustDaemon\Client\ClientException;
use SensitiveParameterValue;

/**
 * A request that was begun, until it has its outcome, and then that.
 *
 * @internal
 */
final class Pending
{
    /** Its end on the connection it is on: see Connection::put(). */
    public int $mark = 0;
    /** Whether it has been asked on two connections: never on a third. */
    public bool $again = false;

    private bool $open = true;
    private mixed $data = null;
    /** @var null|Closure(): ClientException made where it is thrown, so that its trace is the reader's */
    private ?Closure $failure = null;

    public function __construct(
        public readonly int $id,
        public readonly string $method,
        /** A string, which may hold the token and which no dump shows. */
        public readonly SensitiveParameterValue $frame,
        public readonly Deadline $deadline,
        /** Of whom it is: a fork's answers go to its parent. */
        public readonly int $pid,
    ) {
    }

    public function isOpen(): bool
    {
        return $this->open;
    }

    /**
     * The first outcome counts.
     */
    public function succeed(mixed $data): void
    {
        if ($this->open) {
            [$this->open, $this->data] = [false, $data];
        }
    }

    /**
     * @param Closure(): ClientException $failure
     */
    public function fail(Closure $failure): void
    {
        if ($this->open) {
            [$this->open, $this->failure] = [false, $failure];
        }
    }

    /**
     * @throws ClientException
     */
    public function outcome(): mixed
    {
        return $this->failure === null ? $this->data : throw ($this->failure)();
    }
}
