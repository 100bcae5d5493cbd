<?php

declare(strict_types=1);

namespace RustDaemon;

/**
 * One signal that has arrived, as far as ext-pcntl tells: of SIGUSR1, SIGUSR2 and SIGCHLD it knows the process, of
 * others it does not; it never has a value, and a sender's command is not looked up.
 */
final class SignalInfo
{
    use Internal\Unique;

    /**
     * @internal
     */
    public static function of(int $signal, string $name, int $count, mixed $info): self
    {
        ['code' => $code, 'pid' => $pid, 'uid' => $uid] = (array) $info + ['code' => 0, 'pid' => null, 'uid' => null];
        return new self($signal, $name, $code, $pid, $uid, null, null, $count);
    }

    private function __construct(
        public readonly int $signal,
        public readonly string $name,
        public readonly int $code,
        public readonly ?int $senderPid,
        public readonly ?int $senderUid,
        public readonly ?string $senderCommand,
        public readonly ?int $value,
        public readonly int $count,
    ) {
    }
}
