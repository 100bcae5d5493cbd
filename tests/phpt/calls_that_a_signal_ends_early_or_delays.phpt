--TEST--
PHP's own calls when a signal arrives: some end early, the others go on and delay the handler (the table of php/SIGNALS.md)
--EXTENSIONS--
rustdaemon
posix
sockets
--SKIPIF--
<?php
if (getenv('USE_ZEND_ALLOC') === '0') {
    die('skip valgrind takes the signals itself, and the calls that compute take minutes');
}
?>
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
use RustDaemon\Signal;

/** A process that makes one call, and a signal that arrives in it. */
final class Call
{
    private const SECONDS = 30.0;
    private const USR1 = 1 << Signal::USR1 - 1;

    public readonly array $pipes;
    private $process;
    public readonly int $pid;
    private string $said = '';
    private float $deadline;

    public function __construct(private string $call, string $setup, public readonly string $directory)
    {
        file_put_contents("$directory/call.php", <<<PHP
            <?php
            use RustDaemon\{Signal, Worker};
            set_error_handler(fn (int \$level, string \$message) => print "warning: \$message\n");
            Signal::on('USR1', fn () => print "handler\n");
            chdir(__DIR__);
            $setup
            echo "begin\n";
            \$result = $call;
            echo 'returned ', json_encode(\$result), "\n";
            PHP);
        $shared = array_filter(['sockets', 'sysvmsg'], 'is_shared');
        $options = array_map(fn (string $extension) => "-dextension=$extension", array_values($shared));
        $command = [...php(...$options), "$directory/call.php"];
        $this->process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], ['redirect', 1]], $pipes);
        $this->pipes = $pipes;
        stream_set_blocking($pipes[1], false);
        $this->pid = proc_get_status($this->process)['pid'];
        $this->deadline = microtime(true) + self::SECONDS;
    }

    /** Sends the signal into a call that waits; the call goes on until $release lets it. */
    public function waits(?callable $release): string
    {
        $this->until('it waits', fn () => $this->has_said('begin') && strpbrk($this->state(), 'SZ'));
        Signal::send($this->pid, 'USR1');
        // What the process says before it sleeps again, or when it ends, it says because of the signal.
        $this->until('the signal is taken', fn () => !$this->is_pending() && strpbrk($this->state(), 'SZ'));
        $this->read();
        return $this->outcome($release);
    }

    /** Sends the signal into a call that computes: it has when its process has been on a processor for a while. */
    public function computes(): string
    {
        $this->until('it begins', fn () => $this->has_said('begin'));
        $this->until_it_has_computed();
        Signal::send($this->pid, 'USR1');
        $this->until('the signal is taken', fn () => !$this->is_pending());
        $this->until_it_has_computed();
        $this->read();
        return $this->outcome(null);
    }

    private function outcome(?callable $release): string
    {
        $before = array_slice(explode("\n", trim($this->said)), 1);
        $early = str_starts_with(end($before) ?: '', 'returned');
        if (!$early && $release !== null) {
            $release($this);
        }
        $this->until('it ends', fn () => $this->state() === 'Z');
        $this->read();
        $all = array_slice(explode("\n", trim($this->said)), 1);
        if ($early) {
            return 'ends early: ' . implode(', ', $all);
        }
        return implode(', ', [...$before, 'goes on', ...array_slice($all, count($before))]);
    }

    private function until_it_has_computed(): void
    {
        $end = $this->cpu() + 3;
        $this->until('it computes', fn () => $this->cpu() >= $end || $this->state() === 'Z');
    }

    private function until(string $what, callable $condition): void
    {
        while (!$condition()) {
            if (microtime(true) > $this->deadline) {
                throw new RuntimeException("$this->call: not within " . self::SECONDS . " s: $what; it said: $this->said");
            }
            usleep(500);
        }
    }

    private function has_said(string $line): bool
    {
        $this->read();
        return str_contains($this->said, "$line\n");
    }

    private function read(): void
    {
        $this->said .= stream_get_contents($this->pipes[1]);
    }

    /** proc(5): S sleeping in a system call, R running, Z ended. */
    private function state(): string
    {
        return $this->status('State');
    }

    private function is_pending(): bool
    {
        return ((hexdec($this->status('SigPnd')) | hexdec($this->status('ShdPnd'))) & self::USR1) !== 0;
    }

    private function status(string $field): string
    {
        preg_match("/^$field:\s+(\w+)/m", file_get_contents("/proc/$this->pid/status"), $found);
        return $found[1];
    }

    /** Time on a processor, in ticks of 10 ms. */
    private function cpu(): int
    {
        $fields = explode(' ', preg_replace('/^.*\) /', '', file_get_contents("/proc/$this->pid/stat")));
        return (int) $fields[11] + (int) $fields[12];
    }

    public function __destruct()
    {
        proc_terminate($this->process, 9);
        array_map('fclose', array_filter($this->pipes, 'is_resource'));
        proc_close($this->process);
    }
}

function is_shared(string $extension): bool
{
    return is_file(ini_get('extension_dir') . "/$extension.so");
}

/** Shows what a call does; once more when it had ended before the signal was sent. */
function show(string $call, string $setup, callable $outcome): void
{
    for ($try = 1; ; $try++) {
        $directory = own_directory();
        posix_mkfifo("$directory/fifo", 0600);
        try {
            $seen = $outcome(new Call($call, $setup, $directory));
        } finally {
            array_map('unlink', glob("$directory/*"));
        }
        if ($try === 5 || !str_starts_with($seen, 'ends early: returned')) {
            echo "$call: $seen\n";
            return;
        }
    }
}
function waits(string $call, string $setup = '', ?callable $release = null): void
{
    show($call, $setup, fn (Call $made) => $made->waits($release));
}
function waits_if(bool $has, string $call, string $setup = '', ?callable $release = null): void
{
    $has ? waits($call, $setup, $release) : print "$call: not in this PHP\n";
}
function computes(string $call, string $setup = ''): void
{
    show($call, $setup, fn (Call $made) => $made->computes());
}
$into_fifo = fn (Call $call) => file_put_contents("$call->directory/fifo", "data\n");
$into_stdin = fn (Call $call) => fwrite($call->pipes[0], "data\n");

echo "-- sleeping\n";
waits('sleep(1000) > 0');
waits('usleep(1_000_000_000)');
waits('time_nanosleep(1000, 0)["seconds"] > 0');
waits('a()', 'function a() { usleep(1_000_000_000); echo "a goes on\n"; return b(); } function b() { return 1; }');
waits('$fiber->start()', '$fiber = new Fiber(function () { usleep(1_000_000_000); echo "the fiber goes on\n"; });');
waits('time_sleep_until(microtime(true) + 0.5)');
waits('Worker::install()->sleep(1000)', '', fn (Call $call) => Signal::send($call->pid, 'TERM'));
waits('Worker::install()->tick(1000)');
waits('Signal::wait(1000, "USR2")->name', '', fn (Call $call) => Signal::send($call->pid, 'USR2'));

echo "-- streams and sockets\n";
$pair = '[$near, $far] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0); $read = [$near]; $none = null;';
waits('stream_select($read, $none, $none, 1000)', $pair);
$pair = 'socket_create_pair(AF_UNIX, SOCK_STREAM, 0, $pair); $read = [$pair[0]]; $none = null;';
waits('socket_select($read, $none, $none, 1000)', $pair);
$time = 'socket_set_option($pair[0], SOL_SOCKET, SO_RCVTIMEO, ["sec" => 1000, "usec" => 0]);';
waits('socket_recv($pair[0], $buffer, 100, 0)', $pair . $time);
$connect = fn (Call $call) => fclose(stream_socket_client("unix://$call->directory/socket"));
$listen = '$s = stream_socket_server("unix://socket");';
waits('is_resource(stream_socket_accept($s, 1000))', $listen, $connect);
$listen = '$s = socket_create(AF_UNIX, SOCK_STREAM, 0); socket_bind($s, "socket"); socket_listen($s);';
waits('is_object(socket_accept($s))', $listen, $connect);
$directory = own_directory();
$listener = stream_socket_server("unix://$directory/socket");
$connected = "\$s = stream_socket_client('unix://$directory/socket');";
$answer = function () use ($listener): void {
    $peer = stream_socket_accept($listener, 10);
    fwrite($peer, "data\n");
}; // and it is closed
foreach (['fgets($s)', 'fgetc($s)', 'fread($s, 100)', 'stream_get_contents($s)'] as $call) {
    waits($call, $connected, $answer);
}
$connected = "\$s = socket_create(AF_UNIX, SOCK_STREAM, 0); socket_connect(\$s, '$directory/socket');";
waits('socket_recv($s, $buffer, 100, 0)', $connected, $answer);
unlink("$directory/socket");

echo "-- pipes and files\n";
waits('fgets(STDIN)', '', $into_stdin);
waits('fread(STDIN, 100)', '', $into_stdin);
waits('file_get_contents("fifo")', '', $into_fifo);
$full = '$pipe = fopen("fifo", "r+"); stream_set_blocking($pipe, false); while (fwrite($pipe, str_repeat("x", 4096)));
    stream_set_blocking($pipe, true);';
waits('fwrite($pipe, "last")', $full, function (Call $call): void {
    fread(fopen("$call->directory/fifo", 'r+'), 8192);
});
$lock = fopen(__FILE__, 'r');
flock($lock, LOCK_EX);
$file = '$file = fopen(' . var_export(__FILE__, true) . ', "r");';
waits('flock($file, LOCK_EX)', $file, fn () => flock($lock, LOCK_UN));

echo "-- other processes\n";
waits('exec("read x < fifo; echo \$x")', '', $into_fifo);
waits('shell_exec("read x < fifo; echo \$x")', '', $into_fifo);
$process = '$p = proc_open("read x < fifo; exit 7", [], $pipes);';
waits('proc_close($p)', $process, $into_fifo);
waits('pclose($p)', '$p = popen("read x < fifo; exit 7", "r");', $into_fifo);
waits_if(function_exists('pcntl_waitpid'), 'pcntl_waitpid($pid, $status) === $pid', $process . '$pid = proc_get_status($p)["pid"];', $into_fifo);
$has = function_exists('pcntl_sigtimedwait');
waits_if($has, 'pcntl_sigtimedwait([SIGUSR2], $info, 1000) > 0', 'pcntl_sigprocmask(SIG_BLOCK, [SIGUSR2]);');
$queue = '$queue = msg_get_queue(0, 0600); register_shutdown_function(fn () => msg_remove_queue($queue));';
waits_if(function_exists('msg_receive') || is_shared('sysvmsg'), '[msg_receive($queue, 0, $type, 100, $message, true, 0, $errno), $errno]', $queue);

echo "-- computing\n";
computes('strlen(hash_pbkdf2("sha512", "a", "b", 200_000))');
computes('strlen(password_hash("a", PASSWORD_BCRYPT, ["cost" => 12]))');
$slow = 'ini_set("pcre.jit", "0"); ini_set("pcre.backtrack_limit", "1000000000");';
computes('preg_match("/^(a+)+$/", str_repeat("a", 23) . "b")', $slow);
$invalid = 'ini_set("memory_limit", "1G"); $json = "[" . str_repeat("1,", 5_000_000);
    function decode($json) { try { json_decode($json, flags: JSON_THROW_ON_ERROR); } catch (JsonException $e) { return "caught"; } }';
computes('decode($json)', $invalid);
$sort = '$numbers = range(1, 300_000); mt_srand(1); shuffle($numbers);';
computes('usort($numbers, fn ($a, $b) => $a <=> $b)', $sort);
computes('count_up()', 'function count_up() { for ($i = 0; $i < 50_000_000; $i++) { } return $i; }');
?>
--EXPECTF--
-- sleeping
sleep(1000) > 0: ends early: handler, returned true
usleep(1_000_000_000): ends early: handler, returned null
time_nanosleep(1000, 0)["seconds"] > 0: ends early: handler, returned true
a(): ends early: handler, a goes on, returned 1
$fiber->start(): ends early: handler, the fiber goes on, returned null
time_sleep_until(microtime(true) + 0.5): goes on, handler, returned true
Worker::install()->sleep(1000): handler, goes on, returned false
Worker::install()->tick(1000): ends early: handler, returned true
Signal::wait(1000, "USR2")->name: handler, goes on, returned "SIGUSR2"
-- streams and sockets
stream_select($read, $none, $none, 1000): ends early: handler, warning: stream_select(): Unable to select [4]: Interrupted system call (max_fd=%d), returned false
socket_select($read, $none, $none, 1000): ends early: handler, warning: socket_select(): Unable to select [4]: Interrupted system call, returned false
socket_recv($pair[0], $buffer, 100, 0): ends early: handler, warning: socket_recv(): Unable to read from socket [4]: Interrupted system call, returned false
is_resource(stream_socket_accept($s, 1000)): ends early: handler, warning: stream_socket_accept(): Accept failed: Interrupted system call, returned false
is_object(socket_accept($s)): goes on, handler, returned true
fgets($s): goes on, handler, returned "data\n"
fgetc($s): goes on, handler, returned "d"
fread($s, 100): goes on, handler, returned "data\n"
stream_get_contents($s): goes on, handler, returned "data\n"
socket_recv($s, $buffer, 100, 0): goes on, handler, returned 5
-- pipes and files
fgets(STDIN): goes on, handler, returned "data\n"
fread(STDIN, 100): goes on, handler, returned "data\n"
file_get_contents("fifo"): goes on, handler, returned "data\n"
fwrite($pipe, "last"): goes on, handler, returned 4
flock($file, LOCK_EX): goes on, handler, returned true
-- other processes
exec("read x < fifo; echo \$x"): goes on, handler, returned "data"
shell_exec("read x < fifo; echo \$x"): goes on, handler, returned "data\n"
proc_close($p): goes on, handler, returned 7
pclose($p): goes on, handler, returned 7
pcntl_waitpid($pid, $status) === $pid: %r(goes on, handler, returned true|not in this PHP)%r
pcntl_sigtimedwait([SIGUSR2], $info, 1000) > 0: %r(ends early: handler, warning: pcntl_sigtimedwait\(\): Interrupted system call, returned false|not in this PHP)%r
[msg_receive($queue, 0, $type, 100, $message, true, 0, $errno), $errno]: %r(ends early: handler, returned \[false,4\]|not in this PHP)%r
-- computing
strlen(hash_pbkdf2("sha512", "a", "b", 200_000)): goes on, handler, returned 128
strlen(password_hash("a", PASSWORD_BCRYPT, ["cost" => 12])): goes on, handler, returned 60
preg_match("/^(a+)+$/", str_repeat("a", 23) . "b"): goes on, handler, returned 0
decode($json): goes on, handler, returned "caught"
usort($numbers, fn ($a, $b) => $a <=> $b): handler, goes on, returned true
count_up(): handler, goes on, returned 50000000
