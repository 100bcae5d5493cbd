--TEST--
What is no signal, or cannot be handled, is refused with a sentence, and nothing has changed
--EXTENSIONS--
rustdaemon
--FILE--
<?php
use RustDaemon\Signal;

$handler = fn () => print "never\n";
$attempts = [
    fn () => Signal::on(9, $handler), fn () => Signal::on('STOP', $handler), fn () => Signal::on(['USR1', 'SEGV'], $handler),
    fn () => Signal::on(32, $handler), fn () => Signal::on(0, $handler), fn () => Signal::on(-15, $handler),
    fn () => Signal::on(65, $handler), fn () => Signal::on('SIGFOO', $handler), fn () => Signal::on('', $handler),
    fn () => Signal::on(1.5, $handler), fn () => Signal::on([['USR1']], $handler), fn () => Signal::on('USR1', 'no such function'),
    fn () => Signal::on('USR1'),
    fn () => Signal::ignore('KILL'), fn () => Signal::default(19), fn () => Signal::off('SIGNAL'),
    fn () => Signal::wait(1.0, 'KILL'), fn () => Signal::wait(-1.0, 'USR1'), fn () => Signal::wait(NAN, 'USR1'),
    fn () => Signal::wait(null), fn () => Signal::wait(0.0, null), fn () => Signal::wait(),
    fn () => Signal::critical(fn () => print "never\n", 'FOO'), fn () => Signal::last('SIGRTMIN+31'),
    fn () => Signal::send(0, 'USR1'), fn () => Signal::send(-1, 'USR1'), fn () => Signal::send(getmypid(), 0),
    fn () => Signal::send(getmypid(), 'USR1', 1 << 31), fn () => Signal::send(1 << 40, 'USR1'), fn () => Signal::send(2147483647, 'USR1'),
    fn () => Signal::dispatch(1),
];
foreach ($attempts as $attempt) {
    try {
        $attempt();
        echo "accepted\n";
    } catch (Throwable $e) {
        echo get_class($e), $e->getCode() ? " {$e->getCode()}" : '', ': ', $e->getMessage(), "\n";
    }
}
preg_match('/^SigCgt:\s*(\w+)/m', file_get_contents('/proc/self/status'), $caught);
echo hexdec(substr($caught[1], -8)) & 1 << 9 ? 'USR1 is caught by PHP itself' : 'USR1 is not caught', "\n";
?>
--EXPECT--
RustDaemon\Exception\InvalidArgument: signal: SIGKILL cannot be handled, ignored or changed: the kernel acts on it by itself; SIGTERM asks a process to end
RustDaemon\Exception\InvalidArgument: signal: SIGSTOP cannot be handled, ignored or changed: the kernel acts on it by itself; SIGTERM asks a process to end
RustDaemon\Exception\InvalidArgument: signal: SIGSEGV tells of a fault of this process itself, after which no PHP code can run: it cannot be handled
RustDaemon\Exception\InvalidArgument: signal: signal 32 belongs to the C library: realtime signals that a program may use are 34 (SIGRTMIN) to 64 (SIGRTMAX)
RustDaemon\Exception\InvalidArgument: signal: 0 is not a signal: a number from 1 to 64, or a name as SIGTERM, is
RustDaemon\Exception\InvalidArgument: signal: -15 is not a signal: a number from 1 to 64, or a name as SIGTERM, is
RustDaemon\Exception\InvalidArgument: signal: 65 is not a signal: a number from 1 to 64, or a name as SIGTERM, is
RustDaemon\Exception\InvalidArgument: signal: "SIGFOO" is not a signal: a name as SIGTERM, TERM or SIGRTMIN+1, or a number from 1 to 64, is
RustDaemon\Exception\InvalidArgument: signal: "" is not a signal: a name as SIGTERM, TERM or SIGRTMIN+1, or a number from 1 to 64, is
TypeError: RustDaemon\Signal::on(): Argument #1 ($signals) must be of type array|string|int, float given
TypeError: RustDaemon\Signal::on(): Argument #1 ($signals) must hold signals as string|int only, array given
TypeError: RustDaemon\Signal::on(): Argument #2 ($handler) must be a valid callback, function "no such function" not found or invalid function name
ArgumentCountError: RustDaemon\Signal::on() expects exactly 2 arguments, 1 given
RustDaemon\Exception\InvalidArgument: signal: SIGKILL cannot be handled, ignored or changed: the kernel acts on it by itself; SIGTERM asks a process to end
RustDaemon\Exception\InvalidArgument: signal: SIGSTOP cannot be handled, ignored or changed: the kernel acts on it by itself; SIGTERM asks a process to end
RustDaemon\Exception\InvalidArgument: signal: "SIGNAL" is not a signal: a name as SIGTERM, TERM or SIGRTMIN+1, or a number from 1 to 64, is
RustDaemon\Exception\InvalidArgument: signal: SIGKILL cannot be handled, ignored or changed: the kernel acts on it by itself; SIGTERM asks a process to end
RustDaemon\Exception\InvalidArgument: timeout: must be a number of seconds from 0.0, or null to wait as long as it takes
RustDaemon\Exception\InvalidArgument: timeout: must be a number of seconds from 0.0, or null to wait as long as it takes
RustDaemon\Exception\InvalidArgument: signals: no signal has a handler, so this would wait for ever: name the signals to wait for
TypeError: RustDaemon\Signal::wait(): Argument #2 must be of type string|int, null given
ArgumentCountError: RustDaemon\Signal::wait() expects at least 1 argument, 0 given
RustDaemon\Exception\InvalidArgument: signal: "FOO" is not a signal: a name as SIGTERM, TERM or SIGRTMIN+1, or a number from 1 to 64, is
RustDaemon\Exception\InvalidArgument: signal: "SIGRTMIN+31" is not a signal: a name as SIGTERM, TERM or SIGRTMIN+1, or a number from 1 to 64, is
RustDaemon\Exception\InvalidArgument: pid: 0 is not one process: a number from 1 is (0 and below mean groups to kill(2))
RustDaemon\Exception\InvalidArgument: pid: -1 is not one process: a number from 1 is (0 and below mean groups to kill(2))
RustDaemon\Exception\InvalidArgument: signal: 0 is not a signal: a number from 1 to 64, or a name as SIGTERM, is
RustDaemon\Exception\InvalidArgument: value: does not fit: sigqueue(3) carries an int of 32 bits, -2147483648 to 2147483647
RustDaemon\Exception\InvalidArgument: pid: 1099511627776 is not one process: a number from 1 is (0 and below mean groups to kill(2))
RustDaemon\Exception\SystemCallFailed 3: SIGUSR1 was not sent to process 2147483647: there is no such process
ArgumentCountError: RustDaemon\Signal::dispatch() expects exactly 0 arguments, 1 given
USR1 is caught by PHP itself
