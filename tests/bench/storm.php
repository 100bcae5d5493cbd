<?php

// What both peers of `cargo xtask bench signal-storm` share: what they note of each signal, and what they do meanwhile.
// It says "ready" when the handler is there, takes its steps, keeps the virtual machine busy until its standard input says
// "stop", then tells as JSON what it saw.

final class Seen
{
    public int $handled = 0;
    public int $sum = 0;
    public int $outOfOrder = 0;
    public int $lastAt = 0;
    public int $forks = 0;
    public int $childrenThatHandled = 0;
    private int $lastValue = -1;
    private int $handledInChild = 0;
    private int $pid;

    public function __construct()
    {
        $this->pid = getmypid();
    }

    public function note(int $value): void
    {
        if (getmypid() !== $this->pid) {
            $this->handledInChild++;
            return;
        }
        $this->handled++;
        $this->sum += $value;
        if ($value <= $this->lastValue) {
            $this->outOfOrder++;
        }
        $this->lastValue = $value;
        $this->lastAt = hrtime(true);
    }

    public function forkOnce(): void
    {
        $child = pcntl_fork();
        if ($child === 0) {
            for ($i = 0; $i < 1000; $i++) {
            }
            exit($this->handledInChild === 0 ? 0 : 1);
        }
        if ($child === -1) {
            return;
        }
        $this->forks++;
        while (pcntl_waitpid($child, $status) === -1 && pcntl_get_last_error() === PCNTL_EINTR) {
        }
        if ($status !== 0) {
            $this->childrenThatHandled++;
        }
    }
}

/** In each step, announced by a line, the sender sends a slice of the storm. */
function work(Seen $seen, string $variant, int $steps): void
{
    $rounds = $variant === 'blocked' ? roundsOfSeconds(1.5) : 0;
    stream_set_blocking(STDIN, false);
    echo "ready\n";
    for ($step = 0; $step < $steps; $step++) {
        echo "step\n";
        match ($variant) {
            'blocked' => hash_pbkdf2('sha256', 'password', 'salt', $rounds),
            'forking' => $seen->forkOnce(),
        };
    }
    while (fgets(STDIN) !== "stop\n") {
        for ($i = 0; $i < 10000; $i++) {
        }
    }
    echo json_encode($seen), "\n";
}

/** For how many rounds hash_pbkdf2() takes so long. */
function roundsOfSeconds(float $seconds): int
{
    $started = hrtime(true);
    hash_pbkdf2('sha256', 'password', 'salt', 100_000);
    return (int) (100_000 * $seconds * 1e9 / (hrtime(true) - $started));
}
