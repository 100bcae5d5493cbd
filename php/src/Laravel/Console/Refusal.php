<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Console;

use RuntimeException;
use RustDaemon\Client\ClientException;
use RustDaemon\Client\InvalidArgument as InvalidRequest;
use RustDaemon\Client\RemoteException;
use RustDaemon\Internal\ExitCode;
use Throwable;

/**
 * Why a command does not do what it was asked for: one sentence for its user, and the exit code.
 */
final class Refusal extends RuntimeException
{
    private function __construct(string $sentence, public readonly int $exitCode, ?Throwable $previous = null)
    {
        parent::__construct($sentence, 0, $previous);
    }

    /**
     * Usage or configuration.
     */
    public static function usage(string $sentence): self
    {
        return new self($sentence, ExitCode::USAGE);
    }

    /**
     * It is as it is.
     */
    public static function badNews(string $sentence): self
    {
        return new self($sentence, ExitCode::BAD_NEWS);
    }

    /**
     * The system.
     */
    public static function system(string $sentence): self
    {
        return new self($sentence, ExitCode::SYSTEM);
    }

    /**
     * Worker::install() has thrown.
     */
    public static function ofTheGate(Throwable $why): self
    {
        return new self($why->getMessage(), ExitCode::ofTheGate($why), $why);
    }

    /**
     * The daemon, or the way to it.
     */
    public static function ofTheClient(ClientException $why): self
    {
        return new self($why->getMessage(), match (true) {
            $why instanceof RemoteException => ExitCode::BAD_NEWS,
            $why instanceof InvalidRequest => ExitCode::USAGE,
            default => ExitCode::SYSTEM,
        }, $why);
    }
}
