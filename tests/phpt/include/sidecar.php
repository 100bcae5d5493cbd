<?php

/**
 * A sidecar for one worker, in PHP: pipes with known inodes and a sealed slot page by FFI, frames as in
 * ext/core/src/link.rs. Every wait has a deadline and says what it waited for; every process is ended and reaped.
 */
final class Sidecar
{
    public const HELLO = 1;
    public const GO = 2;
    public const REFUSED = 3;
    public const READY = 4;
    public const REQUEST = 5;
    public const REPLY = 6;
    public const DRAIN = 7;
    public const PAUSE = 10;
    public const RESUME = 11;
    public const PAUSED = 12;
    public const RESUMED = 13;

    public const FLAT = 1;
    public const TYPED = 2;
    public const JSON_RPC = 3;

    public array $hello = [];

    /** @var resource|null */
    private $process;
    private string $buffer = '';
    private ?string $held = null;
    private int $sequence = 0;
    private ?int $pid;
    private array $files;
    private string $script;

    private function __construct(
        private readonly int $input,
        private ?int $output,
        private readonly int $slot,
        string $code,
        array $environment,
        array $worker,
        array $options,
    ) {
        $this->files = ['out' => tmpfile(), 'err' => tmpfile()];
        $this->script = tempnam(sys_get_temp_dir(), 'worker');
        file_put_contents($this->script, "<?php\n" . $code);
        $command = [...php(...$options), $this->script];
        $this->process = proc_open(
            $command,
            [['file', '/dev/null', 'r'], $this->files['out'], $this->files['err']],
            $pipes,
            null,
            $environment + getenv(),
        );
        $this->pid = proc_get_status($this->process)['pid'];
        array_map(static fn (int $fd) => libc()->close($fd), $worker);
    }

    /** Starts a worker that runs $code, and hands it a link. $variable changes what RUSTDAEMON_LINK says. */
    public static function start(string $code, ?callable $variable = null, array $options = []): self
    {
        [$workerIn, $toWorker] = pipe();
        [$fromWorker, $workerOut] = pipe();
        foreach ([$toWorker, $fromWorker] as $ours) {
            libc()->fcntl($ours, 2 /* F_SETFD */, 1 /* FD_CLOEXEC */);
        }
        $slot = libc()->memfd_create('slot', 2 /* MFD_ALLOW_SEALING */);
        libc()->ftruncate($slot, 4096);
        libc()->pwrite($slot, 'RDSL' . pack('V', 1), 8, 0);
        libc()->fcntl($slot, 1033 /* F_ADD_SEALS */, 1 | 2 | 4 /* SEAL SHRINK GROW */);
        $ends = ['in' => $workerIn, 'out' => $workerOut, 'slot' => $slot];
        $pairs = array_map(static fn (string $name, int $fd) => "$name=$fd:" . inode($fd), array_keys($ends), $ends);
        $link = implode(',', $pairs);
        $environment = ['RUSTDAEMON_LINK' => $variable ? $variable($link) : $link, 'RUSTDAEMON_RUN' => 'test/0'];
        $kept = libc()->dup($slot);
        libc()->fcntl($kept, 2, 1);
        return new self($fromWorker, $toWorker, $kept, $code, $environment, array_values($ends), $options);
    }

    /** Starts a worker and lets it in. */
    public static function serve(string $code, array $options = []): self
    {
        $self = self::start($code, null, $options);
        $self->hello();
        $self->go();
        return $self;
    }

    public function hello(): array
    {
        [, , $payload] = $this->expect(self::HELLO);
        $fixed = unpack('a4magic/vlowest/vhighest', $payload);
        return $this->hello = $fixed + json_decode(substr($payload, 8), true, flags: JSON_THROW_ON_ERROR);
    }

    public function go(array $with = []): void
    {
        $go = $with + ['version' => 1, 'name' => 'pool', 'slot' => 3, 'generation' => 2];
        $this->send(self::GO, 0, 0, json_encode($go));
    }

    public function ready(): array
    {
        return $this->readyFrame()['methods'];
    }

    public function readyFrame(): array
    {
        return json_decode($this->expect(self::READY)[2], true);
    }

    /** Sends Pause or Resume and waits for the acknowledgement. */
    public function pause(bool $paused = true): void
    {
        $this->send($paused ? self::PAUSE : self::RESUME, 0, 0, '');
        $this->expect($paused ? self::PAUSED : self::RESUMED);
    }

    /** Sends a request; returns its number. */
    public function request(string $method, string $arguments, int $dialect = self::TYPED): int
    {
        $payload = pack('V', strlen($method)) . $method . $arguments;
        $this->send(self::REQUEST, $dialect, ++$this->sequence, $payload);
        return $this->sequence;
    }

    /** The raw JSON of the next reply. */
    public function reply(?int $sequence = null): string
    {
        [$flags, $answered, $payload] = $this->expect(self::REPLY);
        if ($answered !== ($sequence ?? $this->sequence)) {
            throw new RuntimeException("reply to $answered instead");
        }
        return ($flags === 0 ? 'data ' : 'fault ') . $payload;
    }

    public function call(string $method, string $arguments, int $dialect = self::TYPED): string
    {
        return $this->reply($this->request($method, $arguments, $dialect));
    }

    /** Frames that arrive together: what $act sends is written at once. */
    public function together(callable $act): void
    {
        $this->held = '';
        $act($this);
        $frames = $this->held;
        $this->held = null;
        $this->write($frames);
    }

    public function send(int $kind, int $flags, int $sequence, string $payload): void
    {
        $frame = pack('VvvP', strlen($payload), $kind, $flags, $sequence) . $payload;
        if ($this->held !== null) {
            $this->held .= $frame;
        } else {
            $this->write($frame);
        }
    }

    private function write(string $frame): void
    {
        while ($frame !== '') {
            $written = libc()->write($this->output, $frame, strlen($frame));
            if ($written <= 0) {
                throw new RuntimeException('the worker does not read its link');
            }
            $frame = substr($frame, $written);
        }
    }

    /** The next frame, which must be of this kind: flags, sequence, payload. */
    public function expect(int $kind): array
    {
        $frame = $this->receive();
        if ($frame === null || $frame[0] !== $kind) {
            $found = $frame === null ? 'the end of the link' : "kind $frame[0]";
            throw new RuntimeException("expected kind $kind, found $found; the worker said: " . $this->errors());
        }
        return array_slice($frame, 1);
    }

    /** The next frame: kind, flags, sequence, payload; null at the end of the link. */
    public function receive(): ?array
    {
        $deadline = deadline();
        while (true) {
            if (strlen($this->buffer) >= 16) {
                ['l' => $length, 'k' => $kind, 'f' => $flags, 's' => $sequence] =
                    unpack('Vl/vk/vf/Ps', $this->buffer);
                if (strlen($this->buffer) >= 16 + $length) {
                    $payload = substr($this->buffer, 16, $length);
                    $this->buffer = substr($this->buffer, 16 + $length);
                    return [$kind, $flags, $sequence, $payload];
                }
            }
            if (!readable($this->input, $deadline)) {
                throw new RuntimeException('no frame came; the worker said: ' . $this->errors());
            }
            $bytes = libc()->new('char[65536]');
            $count = libc()->read($this->input, $bytes, 65536);
            if ($count === 0) {
                return null;
            }
            $this->buffer .= FFI::string($bytes, $count);
        }
    }

    /** What the slot page says: request in hand, requests served. */
    public function page(): array
    {
        $bytes = libc()->new('char[40]');
        libc()->pread($this->slot, $bytes, 40, 0);
        ['begun' => $begun, 'answered' => $answered, 'served' => $served] =
            unpack('Vmagic/Vversion/Pbegun/Pat/Panswered/Pserved', FFI::string($bytes, 40));
        $request = $begun === $answered ? 0 : $begun;
        return ['request' => $request, 'served' => $served];
    }

    /** What the page says since its version 2; see ext/core/src/slot.rs. */
    public function life(): array
    {
        $bytes = libc()->new('char[4096]');
        libc()->pread($this->slot, $bytes, 4096, 0);
        $page = FFI::string($bytes, 4096);
        $numbers = unpack('Palive/PaliveAt/Pprogress/PprogressAt/Pused/Pover/Vphase/Vwaiting/Vflags/Vzero/PbusySince/PprogressedAt/Pdeadline', $page, 40);
        foreach (['what' => 144, 'status' => 400, 'place' => 656, 'fatal' => 1040, 'thrown' => 2064] as $name => $at) {
            ['length' => $length] = unpack('Vsequence/Vlength', $page, $at);
            $numbers[$name] = substr($page, $at + 8, $length);
        }
        return $numbers;
    }

    public function drain(): void
    {
        $this->send(self::DRAIN, 0, 0, '');
    }

    public function signal(int $number): void
    {
        libc()->kill($this->pid, $number);
    }

    public function pid(): int
    {
        return $this->pid;
    }

    /** The path of the worker's script. */
    public function script(): string
    {
        return $this->script;
    }

    /** Whether the worker has not ended yet; leaves its status for end(). */
    public function isRunning(): bool
    {
        return !preg_match('/^State:\s*[ZX]/m', $this->status());
    }

    /** Whether no signal waits in the kernel for the worker: all have been delivered. */
    public function hasTakenSignals(): bool
    {
        preg_match_all('/^S\w*Pnd:\s*(\w+)/m', $this->status(), $pending);
        return array_filter($pending[1], fn (string $set) => trim($set, '0') !== '') === [];
    }

    private function status(): string
    {
        return file_get_contents("/proc/$this->pid/status") ?: 'State: X';
    }

    /** The sidecar dies. */
    public function hangUp(): void
    {
        libc()->close($this->output);
        $this->output = null;
    }

    /** Waits for the worker's end; prints what it wrote, then how it ended. */
    public function end(): void
    {
        $status = $this->wait();
        foreach ($this->files as $name => $file) {
            rewind($file);
            foreach (explode("\n", rtrim(stream_get_contents($file), "\n")) as $line) {
                if ($line !== '') {
                    echo "$name: ", str_replace($this->script, 'SCRIPT', $line), "\n";
                }
            }
        }
        echo $status['signaled'] ? "killed by $status[termsig]\n" : "exit $status[exitcode]\n";
    }

    private function wait(): array
    {
        // The link ends with the worker: no polling of its status.
        while (($frame = $this->receive()) !== null) {
            echo "unexpected frame of kind $frame[0]\n";
        }
        // Not by /proc: of a process with threads the first one is a zombie before the others have ended.
        $status = [];
        $ended = function () use (&$status): bool {
            $status = proc_get_status($this->process);
            return !$status['running'];
        };
        eventually('the worker ends', $ended, $this->errors(...));
        $this->pid = null;
        return $status;
    }

    private function errors(): string
    {
        $said = '';
        foreach ($this->files as $file) {
            rewind($file);
            $said .= stream_get_contents($file);
        }
        return $said === '' ? '(nothing)' : $said;
    }

    public function __destruct()
    {
        if ($this->pid !== null) {
            libc()->kill($this->pid, 9);
        }
        if (is_resource($this->process)) {
            proc_close($this->process);
        }
        @unlink($this->script);
    }
}

/** When a wait that begins now has failed: valgrind (cargo xtask matrix) is slow. */
function deadline(): float
{
    return microtime(true) + (getenv('USE_ZEND_ALLOC') === '0' ? 60.0 : 10.0);
}

/** Waits until something holds. */
function eventually(string $what, callable $holds, ?callable $said = null): void
{
    $deadline = deadline();
    while (!$holds()) {
        if (microtime(true) > $deadline) {
            throw new RuntimeException("not in time: $what" . ($said ? '; it said: ' . $said() : ''));
        }
        usleep(1000);
    }
}

/** Options for a script that ends with an E_USER_ERROR: that is deprecated since 8.4, and must not be said. */
const WITH_USER_ERROR = ['-d', 'error_reporting=' . (E_ALL & ~E_DEPRECATED)];

/** The command line of a PHP with our extension and nothing else. */
function php(string ...$options): array
{
    preg_match('~ (/\S*/rustdaemon[^/\s]*\.so)$~m', file_get_contents('/proc/self/maps'), $found)
        || throw new RuntimeException('rustdaemon.so is not loaded');
    return [PHP_BINARY, '-n', '-d', "extension=$found[1]", '-d', 'zend.assertions=1', ...$options];
}

/** Runs PHP code in a process of its own, without a sidecar; prints what it writes to both streams and its end. */
function run_php(string $code, array $environment = [], array $options = [], string $stdin = ''): void
{
    $script = tempnam(sys_get_temp_dir(), 'script');
    file_put_contents($script, "<?php\n" . $code);
    run_command([...php(...$options), $script], $environment, $stdin, [$script => 'SCRIPT']);
    unlink($script);
}

/** Runs a command; prints what it writes and how it ended. */
function run_command(array $command, array $environment = [], string $stdin = '', array $replace = []): void
{
    // Named variables only: run-tests exports SCRIPT_FILENAME, and php-cgi would run this very test again, and again.
    $kept = ['PATH', 'HOME', 'TMPDIR', 'USE_ZEND_ALLOC', 'USE_TRACKED_ALLOC', 'ZEND_DONT_UNLOAD_MODULES'];
    $clean = array_intersect_key(getenv(), array_flip($kept));
    $input = tmpfile();
    fwrite($input, $stdin);
    rewind($input);
    $process = proc_open($command, [$input, ['pipe', 'w'], ['redirect', 1]], $pipes, null, $environment + $clean);
    $said = stream_get_contents($pipes[1]);
    $code = proc_close($process);
    echo strtr($said, $replace), $said !== '' && !str_ends_with($said, "\n") ? "\n" : '', "exit $code\n";
}

/** A directory of its own for a test, removed with what is in it when the test ends. */
function own_directory(): string
{
    $path = sys_get_temp_dir() . '/rd' . bin2hex(random_bytes(6));
    mkdir($path);
    register_shutdown_function(static function () use ($path): void {
        array_map('unlink', array_filter(glob("$path/*"), 'is_file'));
        array_map('rmdir', glob("$path/*"));
        rmdir($path);
    });
    return $path;
}

function readable(int $fd, float $deadline): bool
{
    $poll = libc()->new('struct pollfd[1]');
    $poll[0]->fd = $fd;
    $poll[0]->events = 1;
    return libc()->poll($poll, 1, max(0, (int) (($deadline - microtime(true)) * 1000))) === 1;
}

function pipe(): array
{
    $fds = libc()->new('int[2]');
    libc()->pipe2($fds, 0) === 0 || throw new RuntimeException('pipe2');
    return [$fds[0], $fds[1]];
}

function inode(int $fd): int
{
    // Not by stat() of /proc/self/fd: with threads PHP follows that link itself, to no file.
    return fstat(fopen("php://fd/$fd", 'r'))['ino'];
}

function libc(): FFI
{
    static $libc = null;
    return $libc ??= FFI::cdef('
        struct pollfd { int fd; short events; short revents; };
        int poll(struct pollfd *fds, unsigned long count, int timeout);
        int pipe2(int fds[2], int flags);
        int memfd_create(const char *name, unsigned int flags);
        int ftruncate(int fd, long length);
        int fcntl(int fd, int command, ...);
        int dup(int fd);
        int close(int fd);
        long read(int fd, void *buffer, size_t count);
        long write(int fd, const char *buffer, size_t count);
        long pread(int fd, void *buffer, size_t count, long offset);
        long pwrite(int fd, const char *buffer, size_t count, long offset);
        int kill(int pid, int signal);
    ', 'libc.so.6');
}
