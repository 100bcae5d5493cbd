<?php
// For tests of what processes share: names of their own, and other processes.

require_once __DIR__ . '/sidecar.php';

/** A name in shared memory that no other test has; what lies under it is removed when the test ends. */
function own_name(): string
{
    $name = 'test-' . bin2hex(random_bytes(6));
    $test = getmypid();
    register_shutdown_function(static function () use ($name, $test): void {
        if (getmypid() === $test) {
            array_map('unlink', glob("/dev/shm/rustdaemon-*-$name*"));
        }
    });
    return $name;
}

/** Where a segment lies. */
function segment(string $kind, string $name): string
{
    return '/dev/shm/rustdaemon-' . fileowner('/proc/self') . "-$kind-$name";
}

/** A PHP script in a process of its own, killed with the test. It says lines, and is told lines. */
final class Other
{
    /** @param resource $process @param resource[] $pipes */
    private function __construct(private $process, private array $pipes, private string $script)
    {
    }

    /** The code has $argv[1] and so on. */
    public static function start(string $code, string ...$arguments): self
    {
        $script = tempnam(sys_get_temp_dir(), 'script');
        file_put_contents($script, "<?php\n" . $code);
        $process = proc_open([...php(), $script, ...$arguments], [['pipe', 'r'], ['pipe', 'w'], ['redirect', 1]], $pipes);
        return new self($process, $pipes, $script);
    }

    /** Its next line; what it ended without. */
    public function line(): string
    {
        $read = [$this->pipes[1]];
        $none = null;
        $left = max(0.0, deadline() - microtime(true));
        stream_select($read, $none, $none, (int) $left, 0) === 1 || throw new RuntimeException('not in time: a line');
        return rtrim((string) fgets($this->pipes[1]), "\n");
    }

    public function tell(string $line): void
    {
        fwrite($this->pipes[0], "$line\n");
    }

    public function pid(): int
    {
        return proc_get_status($this->process)['pid'];
    }

    public function signal(int $number): void
    {
        proc_terminate($this->process, $number);
    }

    /** Waits for its end: what it still says, and how it ended. */
    public function end(): string
    {
        fclose($this->pipes[0]);
        $said = str_replace($this->script, 'SCRIPT', stream_get_contents($this->pipes[1]));
        $status = [];
        eventually('the end of the other process', function () use (&$status): bool {
            $status = proc_get_status($this->process);
            return !$status['running'];
        });
        proc_close($this->process);
        return $said . ($status['signaled'] ? "killed by $status[termsig]" : "exit $status[exitcode]");
    }

    public function __destruct()
    {
        if (is_resource($this->process)) {
            proc_terminate($this->process, 9);
            proc_close($this->process);
        }
        @unlink($this->script);
    }
}

/** What a call throws, in a line. */
function thrown(callable $call): string
{
    try {
        return 'returned ' . var_export($call(), true);
    } catch (Throwable $e) {
        return substr(strrchr('\\' . get_class($e), '\\'), 1) . ": {$e->getMessage()}" . ($e->getCode() ? " ({$e->getCode()})" : '');
    }
}
