<?php

// Made by tests/stubs.php from the extension itself. Do not edit: cargo xtask stubs.

namespace RustDaemon
{
    /**
     * Messages between processes, through shared memory: any number of senders and receivers, each message received once,
     * in the order of sending.
     *
     * ```php
     * $jobs = Channel::create();                       // before the fork: the child has it, too
     * if (pcntl_fork() === 0) {
     *     foreach ($jobs as $job) { work($job); }      // waits for the next; ends when it is closed and empty
     *     exit;
     * }
     * $jobs->send(['node' => 'ns=2;s=Line1', 'value' => 4.2]);
     * $jobs->close();
     * ```
     *
     * Values are null, bool, int, float, string and arrays of them; objects where allowedClasses lets them in. null is a
     * message like any other, references in arrays arrive as plain values, and what cannot be sent is named by its place in the
     * value.
     *
     * An object goes by serialize(), and so does the whole array that holds one: references in it stay references, floats are as
     * exact as serialize_precision, and a resource in an object arrives as 0. Objects of classes that the receiver does not
     * allow arrive as __PHP_Incomplete_Class; enums need not be allowed. A channel by create() with allowedClasses: true takes
     * igbinary instead, where it is loaded.
     *
     * A process that is killed while it sends or receives, at whatever instruction, leaves the channel
     * whole: nobody waits for it, and no message is received in part. A message that its receiver has taken is gone with it.
     * One that needs more memory than memory_limit leaves is not taken: receiving throws MessageTooLarge, and it is the next one
     * still. An array takes up to 16 times the bytes of its message: where the limit has room for those only, the script ends by
     * a fatal error, and the message is gone with it.
     *
     * While a call waits, signal handlers run, and what they throw leaves it; the whole process waits, all of its fibers. A
     * process that is told to stop waits no longer: see Signal::stopRequested().
     */
    final class Channel implements \Countable, \IteratorAggregate
    {
        /**
         * Channels are made by Channel::create() and Channel::open().
         */
        private function __construct()
        {
        }

        /**
         * A new channel without a name, for this process and those that it forks from now on. It leaves nothing behind.
         *
         * @param int $bytes the longest message, and how much fits at a time: 1 to 1073741824, rounded up to whole pages
         * @param bool|array $allowedClasses false: no objects; a list of classes, or true for any: objects of whatever class are
         * sent, and received as what they were if they are of these, as unserialize() has it. The list is copied
         * @throws Exception\InvalidArgument a size that is not possible, or not a list of names of classes
         * @throws Exception\SystemCallFailed no descriptor or no memory is left; the code is the errno
         */
        public static function create(int $bytes = 1048576, array|bool $allowedClasses = false): Channel
        {
        }

        /**
         * This user's channel of that name, made if there is none.
         *
         * It lies in /dev/shm until rustdaemon shm rm, or until the machine is started again, and keeps its messages: also when
         * nobody has it open. Only this user can open it; a process that has it open keeps it when it changes its user or its
         * root directory. Beside it lies a FIFO, by which stream() is woken.
         *
         * @param string $name 1 to 100 of the characters a-z A-Z 0-9 . _ - and no dot at the beginning
         * @param int|null $bytes as for create(); null: whatever it has, 1 MiB when it is made
         * @param bool|array $allowedClasses as for create(); what this process sends and receives, whatever others do
         * @throws Exception\InvalidArgument a name or a size that is not possible, or not a list of names of classes
         * @throws Exception\SegmentUnusable what is there under the name, or its FIFO, is of another size, not this user's, not a
         * channel, or of another version
         * @throws Exception\SystemCallFailed /dev/shm is full or missing, or no descriptor is left; the code is the errno
         */
        public static function open(string $name, ?int $bytes = null, array|bool $allowedClasses = false): Channel
        {
        }

        /**
         * Sends a value, waiting for room if need be.
         *
         * Who waits for room has no place in a queue: beside senders of small messages that keep the channel full, a large one may
         * wait for as long as they do. Give large messages a channel of their own, or take more bytes.
         *
         * @param mixed $value null, bool, int, float, string, an array of them; objects as allowedClasses says
         * @param float|null $timeout how long to wait, in seconds; null: as long as it takes, 0.0: do not wait
         * @return bool true: it is in the channel; false: time is up, or the process was told to stop
         * @throws Exception\Closed the channel is closed
         * @throws Exception\InvalidArgument the value cannot be sent, is longer than the channel, or has objects in objects in more
         * levels than unserialize_max_depth; or the timeout is negative or not a number
         * @throws Exception\SegmentUnusable the channel's memory was written over
         * @throws \Throwable what serialize() throws: for a closure in an object, "Serialization of 'Closure' is not allowed", or
         * whatever __serialize() and __sleep() throw
         */
        public function send(mixed $value, ?float $timeout = null): bool
        {
        }

        /**
         * Takes the next message out of the channel, waiting for it if need be.
         *
         * ```php
         * try {
         *     $job = $jobs->receive(5.0);
         * } catch (Exception\Timeout) {
         *     // nothing came; null would have been a message
         * }
         * ```
         *
         * @param float|null $timeout how long to wait, in seconds; null: as long as it takes, 0.0: do not wait
         * @throws Exception\Timeout there was none in time, or none before the process was told to stop
         * @throws Exception\Closed the channel is closed, and all that was sent has been received
         * @throws Exception\MessageUnreadable its value cannot be made here; it is gone
         * @throws Exception\MessageTooLarge it takes more memory than memory_limit leaves; it stays
         * @throws Exception\InvalidArgument the timeout is negative or not a number
         * @throws Exception\SegmentUnusable the channel's memory was written over
         * @throws \Throwable what __unserialize() and __wakeup() of its objects throw; it is gone
         */
        public function receive(?float $timeout = null): mixed
        {
        }

        /**
         * Takes the next message out of the channel, if there is one in time.
         *
         * ```php
         * while ($jobs->tryReceive($job)) { work($job); }      // all that is there now
         * ```
         *
         * @param mixed &$value becomes the message; stays as it is where there is none. A typed property that does not take it
         * throws a TypeError, and the message is gone
         * @param float|null $timeout how long to wait, in seconds; null: as long as it takes, 0.0: do not wait
         * @return bool whether there was one; false also when the process was told to stop
         * @throws Exception\Closed the channel is closed, and all that was sent has been received
         * @throws Exception\MessageUnreadable its value cannot be made here; it is gone
         * @throws Exception\MessageTooLarge it takes more memory than memory_limit leaves; it stays
         * @throws Exception\InvalidArgument the timeout is negative or not a number
         * @throws Exception\SegmentUnusable the channel's memory was written over
         * @throws \Throwable what __unserialize() and __wakeup() of its objects throw; it is gone
         */
        public function tryReceive(mixed &$value, ?float $timeout = 0.0): bool
        {
        }

        /**
         * Closes the channel for everybody: nothing can be sent any more, what is in it can still be received. All who wait go on.
         *
         * A channel of a name stays closed: rustdaemon shm rm, then open() makes a new one. Where another process was stopped
         * (SIGSTOP, a frozen container) while it sent or received, this waits for it, and signal handlers run meanwhile: what they
         * throw leaves it.
         *
         * @throws Exception\Timeout it is not closed: the process was told to stop, and a second later still another one that does
         * not run held the channel up
         * @throws Exception\SegmentUnusable the channel's memory was written over
         */
        public function close(): void
        {
        }

        /**
         * A stream that is readable when there is something to receive, or the channel is closed: for stream_select() and event
         * loops.
         *
         * It stays readable until tryReceive() or receive() has found nothing. There is nothing to read from it. It is the same
         * resource each time, and it is of no use once the channel object is gone: stop polling it before.
         *
         * ```php
         * $loop->addReadStream($jobs->stream(), function () use ($jobs): void {
         *     while ($jobs->tryReceive($job)) { work($job); }
         * });
         * ```
         *
         * @return resource
         * @throws Exception\SystemCallFailed no descriptor is left; the code is the errno
         * @throws Exception\SegmentUnusable the channel's memory was written over
         */
        public function stream()
        {
        }

        /**
         * What is in the channel now.
         *
         * @return array capacity (the longest message in bytes), used (bytes in it, 8 and padding for each message included),
         * messages (in it), sent and received (since it was made, by anybody), closed
         */
        public function stats(): array
        {
        }

        /**
         * How many messages are in the channel now.
         */
        public function count(): int
        {
        }

        /**
         * The messages, one after the other: waits for each, ends when the channel is closed and empty, or when the process is
         * told to stop. What receive() throws about a message leaves the loop.
         */
        public function getIterator(): \Iterator
        {
        }
    }

    /**
     * A number that several processes count with: each method is one step that no other process sees half done.
     *
     * ```php
     * $served = Counter::create();                 // before the fork: parent and children share it
     * Process::fork(fn () => $served->add());
     *
     * $next = Counter::open('invoices')->add();    // by name: every process of this user, until the machine starts again
     * ```
     *
     * A counter by name lies in /dev/shm: see rustdaemon shm list. One by create() ends with the processes that have it.
     */
    final class Counter
    {
        /**
         * See Counter::create() and Counter::open().
         */
        private function __construct()
        {
        }

        /**
         * A new counter, shared by this process and the children that it forks afterwards. Nothing of it is in /dev/shm.
         *
         * @param int $value what it begins with
         * @throws Exception\SystemCallFailed no memory or no descriptor is left; the code is the errno
         */
        public static function create(int $value = 0): Counter
        {
        }

        /**
         * This user's counter of that name, made as 0 if there is none.
         *
         * It keeps its number when nobody has it open, until rustdaemon shm rm or the machine's next start.
         *
         * @param string $name 1 to 100 of the characters a-z A-Z 0-9 . _ - and no dot at the beginning
         * @throws Exception\InvalidArgument the name is not possible
         * @throws Exception\SegmentUnusable what is there under the name is not this user's, not a counter, or of another version
         * @throws Exception\SystemCallFailed /dev/shm is full or missing, or no descriptor is left; the code is the errno
         */
        public static function open(string $name): Counter
        {
        }

        /**
         * Adds to the number, or takes away.
         *
         * @param int $number what to add; may be negative
         * @return int the sum
         * @throws Exception\InvalidArgument the sum would not fit in 64 bits; the number is as it was
         */
        public function add(int $number = 1): int
        {
        }

        /**
         * The number.
         */
        public function get(): int
        {
        }

        /**
         * Sets the number, whatever it was.
         *
         * @param int $value what it is from now on
         */
        public function set(int $value): void
        {
        }

        /**
         * Sets the number if nobody else has changed it.
         *
         * ```php
         * do {
         *     $seen = $counter->get();
         * } while (!$counter->compareAndSet($seen, max($seen, $mine)));
         * ```
         *
         * @param int $old what it must be
         * @param int $new what it is from then on
         * @return bool false: it was another number, and stays so
         */
        public function compareAndSet(int $old, int $new): bool
        {
        }
    }

    /**
     * Why a worker ended: what the sidecar knows of the one that stood here before.
     *
     * ```php
     * if ($worker->predecessor?->reason === 'oom') {
     *     $log->warning("the last one ran out of memory after {$worker->predecessor->ran} s");
     * }
     * ```
     */
    final class ExitReason
    {
        /**
         * One word: "exit", "signal", "killed", "oom", "stop", "restart", "reload", "max_requests", "max_lifetime",
         * "memory_soft", "memory_hard", "hang", "error", "not_started", "refused" or "link_broken".
         */
        public readonly string $reason;

        /**
         * One sentence for people.
         */
        public readonly string $message;

        /**
         * Its exit code; null: a signal ended it, or nobody knows.
         */
        public readonly ?int $code;

        /**
         * The signal that ended it: "SIGKILL"; null: none.
         */
        public readonly ?string $signal;

        /**
         * Who sent that signal; null: not known.
         */
        public readonly ?int $senderPid;

        /**
         * The user id of who sent it; null: not known.
         */
        public readonly ?int $senderUid;

        /**
         * The command name of who sent it; null: not known.
         */
        public readonly ?string $senderCommand;

        /**
         * The fatal error, or class and message of the last exception; null: there was none.
         */
        public readonly ?string $error;

        /**
         * Where that happened; null: there was none.
         */
        public readonly ?string $file;

        /**
         * Where that happened; null: there was none.
         */
        public readonly ?int $line;

        /**
         * How long it ran, in seconds.
         */
        public readonly float $ran;

        /**
         * When it ended: Unix time in seconds, as microtime(true) has it.
         */
        public readonly float $at;

        /**
         * The last lines that it wrote, at most 20: a list of strings.
         */
        public readonly array $log;

        /**
         * They come from the sidecar: nobody makes one of these.
         */
        private function __construct()
        {
        }
    }

    /**
     * How a child has ended: by a code, or by a signal, never both.
     *
     * ```php
     * $end = Process::fork($work)->wait();
     * if ($end->code !== 0) {
     *     $log->error($end->signal === null ? "it failed with $end->code" : "it was ended by $end->signalName");
     * }
     * ```
     */
    final class ExitStatus
    {
        /**
         * Its exit code, 0 to 255; null: a signal ended it, or nobody knows.
         */
        public readonly ?int $code;

        /**
         * The number of the signal that ended it: 9; null: none, or nobody knows.
         */
        public readonly ?int $signal;

        /**
         * That signal's name: "SIGKILL"; null: none, or nobody knows.
         */
        public readonly ?string $signalName;

        /**
         * Whether it left a core file.
         */
        public readonly bool $core;

        /**
         * Whether this process has learnt how it ended. false: somebody else took the status, by pcntl_wait() for instance, or
         * SIGCHLD is ignored; the child has ended all the same.
         */
        public readonly bool $known;

        /**
         * Time on a CPU in its own code, in seconds, with that of the children it has waited for; 0.0 where it is not known.
         */
        public readonly float $userTime;

        /**
         * Time on a CPU in the kernel, in seconds, as userTime.
         */
        public readonly float $systemTime;

        /**
         * The most memory that was resident at one moment, in bytes; what it shared with its parent counts. 0 where it is not
         * known.
         */
        public readonly int $peakMemory;

        /**
         * They come from Process::wait() and Process::terminate(): nobody makes one of these.
         */
        private function __construct()
        {
        }
    }

    /**
     * A lock with a name: one process of this user has it at a time.
     *
     * It is held until release() or the end of the process, never released by a destructor. However its holder ends, by
     * SIGKILL or by a power of its own, the next one gets the lock at once and is told: see recovered(). A child by fork does
     * not hold it; a program started by exec does not either.
     *
     * ```php
     * Lock::open('opcua')->acquire(0.0) or exit(1);      // one instance of this script at a time
     * ```
     *
     * Under a sidecar the line stands after Worker::install(): at a reload the next worker boots while this one still holds
     * it, and without a sidecar install() may start the script again, which gives the lock back.
     *
     * The lock is the process's, not a handle's: two objects of one name are the same lock. It lies in /dev/shm, for this user
     * only: see rustdaemon shm list. Use another name for something else: the names of locks, counters and channels do not
     * meet.
     *
     * Where its file is removed while it is held (by rustdaemon shm rm --force, by rm, or by systemd when a login user's last
     * session ends: RemoveIPC=), a process that opens the name afterwards gets another lock, and can hold it at the same
     * time. The first holder is told by holder(), which is never its own pid then; its next acquire() takes the new one. Who
     * was waiting for the old one waits for its holder all the same, and has the new one when acquire() returns true.
     */
    final class Lock
    {
        /**
         * Locks have names: see Lock::open().
         */
        private function __construct()
        {
        }

        /**
         * This user's lock of that name, made if there is none. It is not taken yet.
         *
         * Other users cannot open it, whatever the umask is.
         *
         * @param string $name 1 to 100 of the characters a-z A-Z 0-9 . _ - and no dot at the beginning
         * @throws Exception\InvalidArgument the name is not possible
         * @throws Exception\SegmentUnusable what is there under the name is not this user's, not a lock, or of another version
         * @throws Exception\SystemCallFailed /dev/shm is full or missing, or no descriptor is left; the code is the errno
         */
        public static function open(string $name): Lock
        {
        }

        /**
         * Takes the lock, waiting for it if need be.
         *
         * Signal handlers run meanwhile, the timeout holds all the same, and what a handler throws leaves acquire() without the
         * lock. The whole process waits, all of its fibers. A process that has the lock already is told so by an exception: it
         * would wait for itself.
         *
         * @param float|null $timeout how long to wait, in seconds; null: as long as it takes, 0.0: do not wait
         * @return bool true: this process holds it now; false: time is up, or the process was told to stop: see
         * Signal::stopRequested()
         * @throws Exception\InvalidArgument the timeout is negative or not a number
         * @throws Exception\NotAllowedHere this process holds it already
         * @throws Exception\SegmentUnusable the lock's memory was written over; or its file was removed, and what is there now
         * cannot be used
         * @throws Exception\SystemCallFailed its file was removed, and it cannot be made again; the code is the errno
         */
        public function acquire(?float $timeout = null): bool
        {
        }

        /**
         * Gives the lock back.
         *
         * @throws Exception\NotAllowedHere this process does not hold it; a child by fork does not hold what its parent holds
         */
        public function release(): void
        {
        }

        /**
         * Whether the one who held it before ended without release(), when this process acquired it last. A child by fork has not
         * acquired what its parent has.
         *
         * What the lock protects may then be half done.
         */
        public function recovered(): bool
        {
        }

        /**
         * The pid of the process that holds it. It may have ended or released it by the time you read this.
         *
         * Who holds it and reads another pid than its own, or null, has lost it: its file was removed. In another PID namespace
         * than the lock's it is the number that the holder has there.
         *
         * @return int|null null: nobody holds it
         */
        public function holder(): ?int
        {
        }
    }

    /**
     * A child process that runs one PHP function: a copy of this process, at this moment, with all its values.
     *
     * The child ends when the function returns, and takes nothing of its parent's with it: the parent's shutdown functions,
     * destructors, buffered output, open streams, TLS, database and redis connections are left alone. Its own run and end
     * as at the end of a script. It dies when its parent dies.
     *
     * ```php
     * use RustDaemon\Process;
     *
     * $process = Process::fork(function () use ($file): int {
     *     return import($file) ? 0 : 1;                // the exit code
     * });
     * $end = $process->wait(60.0) ?? $process->terminate();
     * echo $end->code === 0 ? 'imported' : 'failed', "\n";
     * ```
     *
     * A connection that was opened before the fork is shared, and two processes that speak on it get each other's replies:
     * open the child's own in Process::onFork(), or in the function. A persistent one is made anew there too. Give up what is
     * the parent's (`$db = null`), but never fclose() a TLS stream: that ends the parent's connection as well. An SQLite
     * database does not survive a fork within a transaction or with a result that is still read: the library in the child takes
     * its parent's locks for its own, and damages the file. End both before you fork.
     *
     * In the child: mt_rand() and what builds on it has a seed of its own, and lcg_value() goes on from another place; a
     * Random\Randomizer that you hold gives the same numbers as its parent's. Standard input is /dev/null; what its parent
     * has read ahead from STDIN is in both. There is no time limit until set_time_limit(). It is no Worker, also where its
     * parent is one. It does not die with its parent once it has changed its user or group: the kernel forgets it then. A
     * session that it has started is written by its own session_write_close(), and a filter on STDOUT is not flushed.
     *
     * Handlers of Signal::on() are gone: SIGTERM ends it until it asks for something else. Those of pcntl_signal(), and a
     * mask of pcntl_sigprocmask(), are inherited. Not so where all signals are blocked, as they are while pcntl calls a
     * handler: no signal is blocked in that child and its parent's handlers are gone. Use Signal::on() there: pcntl calls
     * no handler in a child that one of its handlers has forked, be it by pcntl_fork().
     */
    final class Process
    {
        /**
         * The child's process id.
         */
        public readonly int $pid;

        /**
         * Processes come from Process::fork().
         */
        private function __construct()
        {
        }

        /**
         * Makes a child process that runs this function, and ends with it.
         *
         * What the function returns is the exit code: an int from 0 to 255; false is 1, anything else 0. exit($code) works too.
         * After an uncaught exception, which set_exception_handler() sees, a fatal error or exhausted memory it is 255.
         *
         * @param callable $main function (): mixed, called without arguments in the child
         * @return Process the child, as its parent sees it
         * @throws Exception\InvalidArgument a generator function, whose body would not run
         * @throws Exception\SystemCallFailed the system refuses another process, or no descriptor is left
         * @throws Exception\NotAllowedHere inside an output callback or a destructor (of whatever object: the message names its class),
         * or a foreign native thread runs in this process
         * @throws Exception\UnsupportedSapi not under php-cli
         */
        public static function fork(callable $main): Process
        {
        }

        /**
         * Has this function called in every child of Process::fork(), before its own: reconnect your database here.
         *
         * In the order of registration. When one throws or exits, the child ends with that. In the child the parent's objects
         * stay alive, so that you can give them up: `$db = null` neither destructs nor closes what the parent uses. There is no way
         * back: the function, and what it holds, stay until the script ends.
         *
         * ```php
         * Process::onFork(fn () => DB::purge());           // Laravel: the next query connects anew
         * ```
         *
         * @param callable $reset function (): void
         * @throws Exception\InvalidArgument a generator function
         * @throws Exception\UnsupportedSapi not under php-cli
         */
        public static function onFork(callable $reset): void
        {
        }

        /**
         * What a fork at this moment would share or write twice: look at it once, before you fork for the first time.
         *
         * "sockets": each open socket, as fd and what it is. "threads": native threads of other extensions, which a child does
         * not have; with one of them fork() refuses. "unsent": streams that keep data back until they are closed, by compression
         * or a filter: a child leaves that to its parent. An XMLWriter, and other objects that keep data back, are not listed: a child
         * leaves theirs to its parent too. "connections": objects of PDO, mysqli, Redis and their like: open the
         * child's own in onFork().
         *
         * ```php
         * foreach (Process::audit()['connections'] as ['class' => $class]) {
         *     $log->warning("a $class is open: its child must not use it");
         * }
         * ```
         *
         * @return array array{sockets: list<array{fd: int, what: string}>, threads: list<array{id: int, name: string}>, unsent:
         * list<array{resource: int, what: string}>, connections: list<array{object: int, class: string}>}
         * @throws Exception\SystemCallFailed no descriptor is left to look with, or /proc is not mounted
         * @throws Exception\UnsupportedSapi not under php-cli
         */
        public static function audit(): array
        {
        }

        /**
         * Waits until the child has ended. Handlers of signals are called meanwhile.
         *
         * The status is kept: once it is there every call returns it at once. A stop of this process does not end the wait.
         *
         * @param float|null $timeout how long to wait, in seconds; null: as long as it takes, 0.0: only look
         * @return ExitStatus|null null: time is up, and it runs
         * @throws Exception\InvalidArgument the timeout is negative or not a number
         * @throws Exception\NotAllowedHere this process is itself a child of the one that forked it
         * @throws \Throwable what the handler of a signal throws
         */
        public function wait(?float $timeout = null): ?ExitStatus
        {
        }

        /**
         * Sends the child a signal; one that has ended gets none.
         *
         * @param int|string $signal any signal: Signal::USR1, 'USR1'
         * @throws Exception\InvalidArgument not a signal
         * @throws Exception\SystemCallFailed it has changed its user, and this one may not
         */
        public function signal(int|string $signal): void
        {
        }

        /**
         * Ends the child: SIGTERM, and SIGKILL when it still runs after the grace. Returns how it has ended.
         *
         * Handlers of signals are called meanwhile. A stopped child (SIGSTOP) is woken for its SIGTERM.
         *
         * @param float|null $grace how long it has to end by itself, in seconds; null: as long as it takes, 0.0: SIGKILL at once
         * @return ExitStatus how it has ended, also when it had ended before
         * @throws Exception\InvalidArgument the grace is negative or not a number
         * @throws Exception\SystemCallFailed it has changed its user, and this one may not signal it
         * @throws Exception\NotAllowedHere this process is itself a child of the one that forked it
         * @throws \Throwable what the handler of a signal throws; the child may run still
         */
        public function terminate(?float $grace = 10.0): ExitStatus
        {
        }

        /**
         * Whether the child runs. Its status is taken when it does not.
         *
         * @throws Exception\NotAllowedHere this process is itself a child of the one that forked it
         */
        public function isRunning(): bool
        {
        }

        /**
         * A stream that becomes readable when the child has ended, for stream_select() and for event loops. Never read from it.
         * It is the same resource each time.
         *
         * ```php
         * $loop->addReadStream($process->stream(), function () use ($loop, $process): void {
         *     $loop->removeReadStream($process->stream());
         *     echo 'ended with ', $process->wait()->code, "\n";
         * });
         * ```
         *
         * @return resource
         * @throws Exception\SystemCallFailed no descriptor is left
         */
        public function stream()
        {
        }
    }

    /**
     * The request that a handler is serving: what was asked, by whom, and whose sessions it may open.
     *
     * ```php
     * $worker->expose('open', function (string $endpointUrl) use ($plc): array {
     *     $id = bin2hex(random_bytes(16));
     *     $plc->open($id, $endpointUrl);
     *     RustDaemon\Request::current()->bind($id, ttl: 600.0); // requests that name it come here
     *     return ['sessionId' => $id];
     * });
     * ```
     *
     * A worker with an event loop of its own answers later, and serves others meanwhile: see Worker::concurrency().
     *
     * ```php
     * $worker->concurrency(50)->expose('read', function (string $node) use ($plc): void {
     *     $request = RustDaemon\Request::current()->defer();
     *     $plc->readAsync($node)->then($request->reply(...), $request->fail(...));
     * });
     * ```
     */
    final class Request
    {
        /**
         * The method that was called.
         */
        public readonly string $method;

        /**
         * The client's id of the request; null: its dialect has none, or it wants no answer.
         */
        public readonly int|string|null $id;

        /**
         * How the client spoke: "flat", "typed" or "jsonrpc".
         */
        public readonly string $dialect;

        /**
         * The arguments: a list, or an array by name.
         */
        public readonly array $args;

        /**
         * When the client gives up: Unix time in seconds, as microtime(true) has it; null: not known.
         */
        public readonly ?float $deadline;

        /**
         * The client's process when it connected; 0: not known.
         */
        public readonly int $peerPid;

        /**
         * The client's user when it connected; -1: not known.
         */
        public readonly int $peerUid;

        /**
         * They come from Request::current().
         */
        private function __construct()
        {
        }

        /**
         * The request in hand; null: none is, as in a callback of onStart() or onMessage(), or outside of a handler.
         *
         * @return Request|null always the same object for one request
         */
        public static function current(): ?Request
        {
        }

        /**
         * Makes a value this worker's own: requests that name it come here from now on, whoever sends them.
         *
         * A TYPED request names it as "session", any request in the argument that the pool's `affinity` says. While this worker
         * is busy they wait for it; when it ends, or begins to end, their callers hear session_lost. Binding it once more lets it
         * live anew.
         *
         * @param string $value 1 to 256 bytes of UTF-8, such as an id that nobody guesses
         * @param float|null $ttl after so many seconds without a request that names it it is unbound, and onExpire() called; null:
         * never
         * @throws Exception\InvalidArgument the value or the time is not possible
         * @throws Exception\MaxSessionsReached the pool's workers have as many as they may, `max_bound`
         * @throws Exception\SessionTaken it is another worker's
         * @throws Exception\NotAllowedHere this request has been answered
         * @throws Exception\LinkBroken the sidecar is too old, or does not answer
         */
        public function bind(string $value, ?float $ttl = 600.0): void
        {
        }

        /**
         * Gives up a value that bind() has made this worker's own: requests that name it go to any worker.
         *
         * What is not bound, or is another worker's, stays as it is.
         *
         * @param string $value 1 to 256 bytes of UTF-8
         * @throws Exception\InvalidArgument the value is not possible
         * @throws Exception\NotAllowedHere this request has been answered
         */
        public function unbind(string $value): void
        {
        }

        /**
         * Answers this request later, by reply() or fail(): what the handler returns is dropped, and the worker serves others as
         * soon as it has returned.
         *
         * Keep the object until then: when nothing refers to it any more the client hears "unanswered", and what the handler
         * throws after it is the client's answer. When the client's deadline passes first, it hears deadline_exceeded: the request
         * is open no more, and a reply that comes later is dropped. A worker that is paused, stopped or replaced waits until nothing
         * is open; tick() is true so long. A stop leaves it no more than stop_timeout. Deferring twice is deferring once.
         *
         * The handler itself must return: one that suspends its fiber keeps the worker from serving others until it is resumed.
         * Begin a fiber of your own, and defer.
         *
         * @return Request this request
         * @throws Exception\NotAllowedHere the worker answers one request after the other: see Worker::concurrency(); or this one
         * has been answered
         * @throws Exception\LinkBroken the sidecar is too old
         */
        public function defer(): Request
        {
        }

        /**
         * Answers a deferred request with a value, encoded as JSON as a handler's result is.
         *
         * It may be called from anywhere: a callback of an event loop, a task, a fiber, the handler itself, which goes on then.
         * A value that is no JSON is answered with encoding_failed, as it is for a handler.
         *
         * @param mixed $value what the client gets
         * @throws Exception\NotAllowedHere this request has been answered, or was not deferred
         * @throws \Throwable what the value's jsonSerialize() throws: the request is still open then
         */
        public function reply(mixed $value): void
        {
        }

        /**
         * Answers a deferred request with an error.
         *
         * An exception is answered as if the handler had thrown it: with its short class name and message, and logged. A text is
         * answered as the message of the error "failed".
         *
         * @param \Throwable|string $why what went wrong
         * @throws Exception\NotAllowedHere this request has been answered, or was not deferred
         */
        public function fail(\Throwable|string $why): void
        {
        }
    }

    /**
     * Signals that a PHP daemon can trust: none that the kernel has delivered is lost.
     *
     * A handler is an ordinary PHP function. It is called at the next safe point of the script (between two statements, or
     * when a call of PHP's own returns), in the order of arrival, one at a time, never inside another handler. What it
     * throws leaves the code that it has interrupted, once the handlers of all signals that have arrived have run. A signal is given as Signal::TERM, SIGTERM, 'SIGTERM', 'TERM' or 15.
     *
     * ```php
     * use RustDaemon\{Signal, SignalInfo};
     *
     * Signal::on(['USR1', 'USR2'], function (SignalInfo $info) use ($log): void {
     *     $log->info("$info->name from pid $info->senderPid");
     * });
     * while (!Signal::stopRequested()) {
     *     $job = Signal::wait(5.0, Signal::RTMIN)?->value;      // sent by Signal::send($pid, Signal::RTMIN, 7)
     * }
     * ```
     *
     * PHP's own calls while a signal arrives: sleep(), usleep(), time_nanosleep(), stream_select(), socket_select() and
     * stream_socket_accept() return early; fread(), fgets(), file_get_contents(), exec(), flock(), hashing and most database calls go on, and the
     * handler is called when they return. Worker::sleep(), Worker::tick() and Signal::wait() call handlers at once and keep
     * their deadline. See php/SIGNALS.md for the whole table. A fiber can neither be started nor suspended in a handler.
     */
    final class Signal
    {
        public const HUP = 1;
        public const INT = 2;
        public const QUIT = 3;
        public const ILL = 4;
        public const TRAP = 5;
        public const ABRT = 6;
        public const BUS = 7;
        public const FPE = 8;
        public const KILL = 9;
        public const USR1 = 10;
        public const SEGV = 11;
        public const USR2 = 12;
        public const PIPE = 13;
        public const ALRM = 14;
        public const TERM = 15;
        public const STKFLT = 16;
        public const CHLD = 17;
        public const CONT = 18;
        public const STOP = 19;
        public const TSTP = 20;
        public const TTIN = 21;
        public const TTOU = 22;
        public const URG = 23;
        public const XCPU = 24;
        public const XFSZ = 25;
        public const VTALRM = 26;
        public const PROF = 27;
        public const WINCH = 28;
        public const IO = 29;
        public const PWR = 30;
        public const SYS = 31;
        public const IOT = 6;
        public const CLD = 17;
        public const POLL = 29;
        public const RTMIN = 34;
        public const RTMAX = 64;

        /**
         * All methods are static.
         */
        private function __construct()
        {
        }

        /**
         * Calls a handler for each of these signals from now on, instead of the handler there was.
         *
         * SIGTERM, SIGINT, SIGQUIT and SIGHUP then do not stop a Worker any more: the handler decides. With ext-pcntl loaded
         * both work side by side, and for one signal the last call wins. A child by pcntl_fork() keeps the handlers, and has
         * none of its parent's signals that were waiting.
         *
         * @param int|string|array $signals one signal, or a list of them
         * @param callable $handler function (SignalInfo $info): void
         * @throws Exception\InvalidArgument not a signal, or one that cannot be handled: SIGKILL, SIGSTOP, a fault of the
         * process itself (SIGSEGV, SIGBUS, SIGFPE, SIGILL), or one that belongs to the C library or to PHP
         * @throws Exception\SystemCallFailed no descriptor is left
         * @throws Exception\UnsupportedSapi not under php-cli
         */
        public static function on(array|int|string $signals, callable $handler): void
        {
        }

        /**
         * Removes the handlers of these signals: what was there before them is there again.
         *
         * That is ext-pcntl's handler, or the default effect; in a Worker SIGTERM, SIGINT, SIGQUIT and SIGHUP stop it again.
         *
         * @param int|string|array $signals one signal, or a list of them
         * @throws Exception\InvalidArgument not a signal
         * @throws Exception\UnsupportedSapi not under php-cli
         */
        public static function off(array|int|string $signals): void
        {
        }

        /**
         * Ignores these signals. Programs that this process starts inherit that.
         *
         * @param int|string|array $signals one signal, or a list of them
         * @throws Exception\InvalidArgument not a signal, or SIGKILL, SIGSTOP, or one of the C library's or PHP's
         * @throws Exception\UnsupportedSapi not under php-cli
         */
        public static function ignore(array|int|string $signals): void
        {
        }

        /**
         * Gives these signals their default effect: SIGTERM ends the process, also a Worker.
         *
         * @param int|string|array $signals one signal, or a list of them
         * @throws Exception\InvalidArgument not a signal, or SIGKILL, SIGSTOP, or one of the C library's or PHP's
         * @throws Exception\UnsupportedSapi not under php-cli
         */
        public static function default(array|int|string $signals): void
        {
        }

        /**
         * Waits for one of these signals and returns it; its handler is not called for it.
         *
         * Handlers of other signals are called meanwhile. From the first wait for a signal on it is kept when it comes between
         * two waits, until Signal::off(). It also returns when the worker is told to stop.
         *
         * @param float|null $timeout how long to wait, in seconds; null: as long as it takes, 0.0: do not wait
         * @param int|string ...$signals none: all that have a handler or were waited for
         * @return SignalInfo|null null: time is up, or stop: see Signal::stopRequested()
         * @throws Exception\InvalidArgument the timeout is negative or not a number, or a signal cannot be waited for
         * @throws Exception\SystemCallFailed no descriptor is left
         * @throws Exception\UnsupportedSapi not under php-cli
         */
        public static function wait(?float $timeout, int|string ...$signals): ?SignalInfo
        {
        }

        /**
         * Calls the handlers of all signals that have arrived, now.
         *
         * For your own event loop: call it when Signal::stream() is readable, then look at what the handlers have changed. The
         * handlers may have been called already, at a safe point: then it returns 0.
         *
         * @return int how many handlers were called; 0 inside a handler, and inside Signal::critical() for what that delays
         * @throws Exception\UnsupportedSapi not under php-cli
         */
        public static function dispatch(): int
        {
        }

        /**
         * The signals that have arrived and were not handled yet, in the order of arrival.
         *
         * @return array list of SignalInfo
         * @throws Exception\UnsupportedSapi not under php-cli
         */
        public static function pending(): array
        {
        }

        /**
         * The last signal of this kind that has arrived, handled or not: who stopped me?
         *
         * @param int|string $signal one that is or was captured: by on(), by wait(), or a Worker's stop signals
         * @return SignalInfo|null null: none has arrived
         * @throws Exception\InvalidArgument not a signal
         * @throws Exception\UnsupportedSapi not under php-cli
         */
        public static function last(int|string $signal): ?SignalInfo
        {
        }

        /**
         * Runs a section of code during which no handler is called.
         *
         * Signals that arrive meanwhile are handled right after it, also when it throws. A signal that has no handler has its effect
         * at once, which may be the end of the process: give it one. Signal::stopRequested() and Worker::shouldStop() are true at
         * once. No fiber can be started or suspended in it: keep it short.
         *
         * @param callable $section function (): mixed
         * @param int|string ...$signals none: all signals
         * @return mixed what the section returns
         * @throws Exception\InvalidArgument not a signal
         * @throws Exception\UnsupportedSapi not under php-cli
         */
        public static function critical(callable $section, int|string ...$signals): mixed
        {
        }

        /**
         * Whether this process has been told to stop: by a stop signal, by the sidecar, or by the sidecar's end.
         *
         * In a script without a Worker the first call takes SIGTERM, SIGINT, SIGQUIT and SIGHUP for this, as
         * Worker::install() does. It is true from the moment the signal arrives, also inside a handler.
         *
         * @return bool true: finish and end
         * @throws Exception\SystemCallFailed no descriptor is left
         * @throws Exception\UnsupportedSapi not under php-cli
         */
        public static function stopRequested(): bool
        {
        }

        /**
         * A stream that becomes readable when a signal has arrived, for stream_select() and for event loops.
         *
         * It stays readable until Signal::dispatch(), also when the handlers were called before, so that no wake-up is lost
         * between your last look and the wait. Never read from it. It is the same resource each time.
         *
         * ```php
         * $loop->addReadStream(Signal::stream(), fn () => Signal::dispatch());
         * ```
         *
         * @return resource
         * @throws Exception\SystemCallFailed no descriptor is left
         * @throws Exception\UnsupportedSapi not under php-cli
         */
        public static function stream()
        {
        }

        /**
         * Sends a signal to a process.
         *
         * With a value it is queued (sigqueue(3)), and a realtime signal arrives as often as it was sent. Standard signals
         * coalesce: of many that are pending at one moment the kernel keeps one.
         *
         * @param int $pid a process, from 1
         * @param int|string $signal any signal
         * @param int|null $value -2147483648 to 2147483647
         * @throws Exception\InvalidArgument not a process, not a signal, or a value that does not fit
         * @throws Exception\SystemCallFailed no such process (code 3), not allowed (1), or the receiver has too many signals
         * queued (11): try again
         * @throws Exception\UnsupportedSapi not under php-cli
         */
        public static function send(int $pid, int|string $signal, ?int $value = null): void
        {
        }
    }

    /**
     * One signal that has arrived: which, how, and from whom as far as the kernel tells.
     *
     * ```php
     * Signal::on('HUP', function (SignalInfo $info): void {
     *     error_log("$info->name from pid $info->senderPid ($info->senderCommand), uid $info->senderUid");
     * });
     * ```
     */
    final class SignalInfo
    {
        /**
         * The signal's number: SIGTERM is 15.
         */
        public readonly int $signal;

        /**
         * Its name: "SIGTERM", "SIGRTMIN+1".
         */
        public readonly string $name;

        /**
         * How it came to be: si_code of sigaction(2). 0 kill(2), -1 with a value (sigqueue(3)), -6 to a thread (tgkill(2)),
         * 128 the kernel; for SIGCHLD 1 exited, 2 killed, 3 killed with a core, 4 trapped, 5 stopped, 6 continued.
         */
        public readonly int $code;

        /**
         * Who sent it, for SIGCHLD the child; 0: a process of another PID namespace; null: the kernel or a timer.
         */
        public readonly ?int $senderPid;

        /**
         * The real user id of who sent it, for SIGCHLD of the child; null: the kernel or a timer.
         */
        public readonly ?int $senderUid;

        /**
         * The sender's command name, up to 15 bytes, from /proc. It is looked up for SIGTERM, SIGINT, SIGQUIT and SIGHUP when
         * PHP first sees them, and by Signal::last(); null: not looked up, the sender had ended by then, or the same signal has
         * come again since.
         */
        public readonly ?string $senderCommand;

        /**
         * The integer that came with it, by sigqueue(3), Signal::send() or a POSIX timer; null: none.
         */
        public readonly ?int $value;

        /**
         * How many times this signal has arrived since it was first captured, this time included; a timer's overruns count.
         * Of standard signals that are pending at one moment the kernel keeps only one, and does not say how many there were.
         */
        public readonly int $count;

        /**
         * Signals come from the kernel: nobody makes one of these.
         */
        private function __construct()
        {
        }
    }

    /**
     * A worker: this PHP process, as the sidecar `rustdaemon` knows it.
     *
     * One per process. Under a sidecar it is supervised: it is restarted when it dies, and its exposed methods can be
     * called on the sidecar's socket. Without one the same code runs unsupervised: signals end the loop, nobody calls.
     *
     * ```php
     * $worker = RustDaemon\Worker::install(socket: '/run/plc/plc.sock');
     * $worker->expose('plc.read', fn (string $node, int $attribute = 13) => $plc->read($node, $attribute));
     * exit($worker->run());
     * ```
     */
    final class Worker
    {
        /**
         * The name of the pool: what install(name:) or the sidecar's --name says, else "main".
         */
        public readonly string $name;

        /**
         * The worker's number in its pool, from 0.
         */
        public readonly int $slot;

        /**
         * Which release of the code this worker belongs to: 1, and one more with each reload.
         */
        public readonly int $generation;

        /**
         * Why the worker that stood here before ended; null: this is the first one, or there is no sidecar.
         */
        public readonly ?ExitReason $predecessor;

        /**
         * Workers come from Worker::install().
         */
        private function __construct()
        {
        }

        /**
         * Makes this process a worker. Call it once, when everything is ready to serve.
         *
         * Under a sidecar it waits at the gate until the sidecar lets this worker in. Without one, and with socket:, it
         * starts the script again under a new sidecar, in the same process (execve): it does not return then, and what the
         * script had opened is closed. RUSTDAEMON=off in the environment prevents that. Otherwise the worker is unsupervised.
         * From here on SIGTERM, SIGINT and SIGQUIT end run() and make shouldStop() true. A second call returns the same object.
         *
         * @param string|null $name the pool's name: 1 to 64 of the characters A-Z a-z 0-9 . _ -; null: "main"
         * @param string|null $socket path of the Unix socket, at most 107 bytes; relative to the working directory
         * @param int|string $mode the socket's permission bits: 0660 or "0660"
         * @param string|null $token what every client must show as authToken, 1 to 4096 bytes of text; it reaches the sidecar that
         *     is started here, and stands in no argv and no environment. A sidecar that is there already has its own.
         * @param int $workers how many workers the pool has, 1 to 1024
         * @return Worker the worker of this process
         * @throws Exception\InvalidArgument an argument, or RUSTDAEMON in the environment, is not possible
         * @throws Exception\UnsupportedSapi not under php-cli
         * @throws Exception\NotAllowedHere inside a fiber, an output callback, a destructor or a shutdown function
         * @throws Exception\SidecarNotFound the binary is not where it was looked for
         * @throws Exception\SelfStartFailed the script cannot be started again
         * @throws Exception\LinkBroken the sidecar has gone, or a wrapper closed its descriptors
         * @throws Exception\LinkRefused the sidecar does not let this worker in
         */
        public static function install(?string $name = null, ?string $socket = null, int|string $mode = 0600, ?string $token = null, int $workers = 1): Worker
        {
        }

        /**
         * Offers a method to the clients of the socket.
         *
         * A list of arguments is passed by position, an object by name. What the handler returns is encoded as JSON. An
         * exception is answered with its short class name and message and logged; the worker lives on.
         *
         * Under the name * the handler gets the requests for which there is no other: the method's name, 1 to 128 bytes without
         * control characters, and the arguments as one array, a list or by name. Pools that offer a method by its name come first:
         * until each pool has been ready once such requests wait.
         *
         * @param string $method 1 to 128 of the characters A-Z a-z 0-9 _ . : / -, or * for the rest; ping, daemon.*, worker.*,
         * farm.* and system.* are reserved
         * @param callable $handler gets the arguments of the request; for *: fn (string $method, array $args)
         * @param string|null $description one line for people, shown by daemon.methods
         * @param bool $idempotent whether running it twice does no harm
         * @return Worker this worker
         * @throws Exception\InvalidArgument the name is not possible, reserved or taken
         */
        public function expose(string $method, callable $handler, ?string $description = null, bool $idempotent = false): Worker
        {
        }

        /**
         * How many requests this worker may have open at one time, for handlers that answer later: see Request::defer().
         *
         * With 1, which is the default, defer() is refused. With more, a handler that has deferred its request returns, and the
         * worker is sent others until so many are open. Handlers themselves still run one after the other.
         *
         * @param int $requests 1 to 10000
         * @return Worker this worker
         * @throws Exception\InvalidArgument the number is not possible
         */
        public function concurrency(int $requests): Worker
        {
        }

        /**
         * A stream that becomes readable when tick(0.0) has something to do, for event loops: a request, a task that is due, a
         * signal, a pause, the stop.
         *
         * It stays readable until tick() has done it. A child by pcntl_fork() asks for one of its own: its parent's tells of its
         * parent. tick() serves one request at a time: the loop calls it again as long as there
         * are more. Never read from it. It is the same resource each time, until somebody closes it.
         *
         * ```php
         * $loop->addReadStream($worker->stream(), function () use ($worker, $loop): void {
         *     $worker->tick(0.0) || $loop->stop();
         * });
         * ```
         *
         * @return resource
         * @throws Exception\SystemCallFailed no descriptor is left
         */
        public function stream()
        {
        }

        /**
         * Calls this again and again, between two requests: every $seconds, whatever the task or the requests take.
         *
         * The first call is due $seconds from now, or from when the worker is ready, if it is not yet. The n-th one is due n times
         * $seconds after the same moment: one that begins late does not move the next ones. Turns that have been missed by then,
         * because a request or a task took longer, the worker was paused or the machine slept, become one call.
         *
         * Tasks are called in run() and tick(), and in a loop of your own in sleep() and shouldStop(), but there not between busy()
         * and idle(), and never in a handler, a callback or another task. PHP's own sleep(), and Signal::wait(), wait without them.
         * Those that are due at the same time come in the order of their registration. run() serves a request between two tasks, so
         * that neither keeps the other out; tick() calls all that are due, then serves at most one request, and does not wait.
         *
         * A paused worker calls none; what was due meanwhile is called once when it is resumed. A stop ends them: one in hand is
         * finished, no other is begun. In a child that the script forks off its parent's tasks are not called.
         *
         * While a task runs the worker is busy with it, in `rustdaemon status` (`every 30 s, App\Poller->poll()`) and for
         * hang_timeout; busy() and progress() in it say more. No other task and no request runs meanwhile.
         *
         * What a task throws leaves run(), tick(), sleep() or shouldStop(), as an exception of a callback does; when they are
         * called again the task goes on with its next turn. Catch in the task what the worker is to survive.
         *
         * A task may register others. Registering the same one again makes two of it, and none can be taken back.
         *
         * ```php
         * $worker->every(30.0, $poller->poll(...))->after(5.0, fn () => $cache->warm());
         * ```
         *
         * @param float $seconds more than 0.0; with less than the task takes it is called once in each turn of the loop
         * @param callable $task function (): void
         * @return Worker this worker
         * @throws Exception\InvalidArgument the time is not more than 0.0, not finite or not a number
         */
        public function every(float $seconds, callable $task): Worker
        {
        }

        /**
         * Calls this once, between two requests, $seconds from now, or from when the worker is ready, if it is not yet.
         *
         * See every() for where it is called, and for what it throws. A task that throws is not called again.
         *
         * @param float $seconds 0.0: in the next turn of the loop
         * @param callable $task function (): void
         * @return Worker this worker
         * @throws Exception\InvalidArgument the time is negative, not finite or not a number
         */
        public function after(float $seconds, callable $task): Worker
        {
        }

        /**
         * Serves requests until told to stop: see shouldStop().
         *
         * A request in hand is finished, and its reply sent, before it returns.
         *
         * @return int 0, for exit()
         * @throws Exception\NotAllowedHere from a handler or a task of this worker
         * @throws \Throwable what a callback, a task or the handler of a signal throws
         */
        public function run(): int
        {
        }

        /**
         * One turn for a loop of your own: calls the tasks that are due, or waits for one request and serves it.
         *
         * It returns early when a signal handler or a task has run, so that your loop sees what these have changed. See every().
         * In a loop of fibers it returns at once while a handler is suspended: one request is served at a time.
         *
         * @param float|null $timeout how long to wait, in seconds; null: as long as it takes, 0.0: do not wait
         * @return bool false: stop now
         * @throws Exception\InvalidArgument the timeout is negative or not a number
         * @throws Exception\NotAllowedHere from a handler or a task of this worker
         * @throws \Throwable what a callback, a task or the handler of a signal throws
         */
        public function tick(?float $timeout): bool
        {
        }

        /**
         * Sleeps, in a loop of your own, until the time is over or the worker is told to stop.
         *
         * Unlike sleep() it is not cut short by other signals: their handlers are called at once, then it goes on to its
         * deadline. Tasks of every() and after() are called when they are due, except between busy() and idle(). What a handler or
         * a task throws leaves it. In a loop that exposes no methods it also tells the sidecar that this worker is ready.
         *
         * While the worker is paused it goes on waiting, until it is resumed or told to stop; see shouldStop().
         *
         * @param float $seconds how long; 0.0: only look
         * @return bool true: slept it all; false: stop now
         * @throws Exception\InvalidArgument the time is negative or not a number
         * @throws \Throwable what a callback, a task or the handler of a signal throws
         */
        public function sleep(float $seconds): bool
        {
        }

        /**
         * Whether to stop: SIGTERM, SIGINT, SIGQUIT, the sidecar's order or its end.
         *
         * Tasks of every() and after() that are due are called first, except between busy() and idle(). It does not wait, unless
         * the worker is paused (`rustdaemon pause`): then until it is resumed or told to stop. A job between busy() and idle() is
         * finished first, and in a loop of tick() it is tick() that waits.
         *
         * Without a sidecar SIGHUP stops as well; under one it is the sidecar that reloads. A signal that a handler of your own
         * has taken since install() does not stop: the handler decides. The third stop signal ends the process by itself,
         * whatever PHP is in (ini rustdaemon.force_stop).
         *
         * In a loop that exposes no methods the first call also tells the sidecar that this worker is ready.
         *
         * @return bool true: finish and end
         * @throws \Throwable what a callback, a task or the handler of a signal throws
         */
        public function shouldStop(): bool
        {
        }

        /**
         * Says that this worker is ready: for a loop of your own that does not call tick(), shouldStop() or sleep().
         *
         * run() and tick() say it themselves, and in a loop that exposes no methods shouldStop() and sleep() do. The callbacks
         * of onStart() are called first; inside of them it does nothing. Further calls tell the sidecar of methods exposed since.
         *
         * @return Worker this worker
         * @throws \Throwable what a callback of onStart() throws
         */
        public function ready(): Worker
        {
        }

        /**
         * Says what a loop of your own is doing from now on, for `rustdaemon status` and for hang detection, until idle().
         *
         * It costs a few stores in memory. tick() may be called meanwhile: after a request this is in hand again. run() ends it.
         * In a handler of a request, which is busy anyway, it gives another text and deadline.
         *
         * @param string $what for people; 248 bytes are kept
         * @param float|null $deadline how long it may take, in seconds; null: see hang_timeout
         * @throws Exception\InvalidArgument the deadline is negative or not a number
         */
        public function busy(string $what, ?float $deadline = null): void
        {
        }

        /**
         * Says that what busy() named is done.
         */
        public function idle(): void
        {
        }

        /**
         * Says that what is in hand goes on: hang detection counts from here.
         *
         * It costs a few stores in memory. Call it as often as you like in an import that takes long.
         *
         * @param string|null $status for people: "row 7000 of 20000"; 248 bytes are kept; null: what was said last
         */
        public function progress(?string $status = null): void
        {
        }

        /**
         * Calls this when the worker becomes ready for the first time: in run(), tick(), ready(), or in the first shouldStop() or
         * sleep() of a loop that exposes no methods. Open connections here.
         *
         * Several callbacks are called in their order. What one throws leaves that call, and the worker is not ready: the next
         * call begins with the first callback again. Inside a callback shouldStop(), sleep() and tick() do not say ready.
         *
         * @param callable $callback function (): void
         * @return Worker this worker
         */
        public function onStart(callable $callback): Worker
        {
        }

        /**
         * Calls this once when the loop has seen the stop, before run() returns, tick() returns false or shouldStop() true.
         *
         * Say good-bye here: close sessions, save state. It counts against the time that the sidecar leaves a stopping worker.
         * It is not called when exit() or an exception ends the loop.
         *
         * @param callable $callback function (): void
         * @return Worker this worker
         */
        public function onStop(callable $callback): Worker
        {
        }

        /**
         * Calls this when the worker is paused (`rustdaemon pause`), between two requests, or in shouldStop() or sleep().
         *
         * While paused run() and tick() serve nothing; in a loop of your own shouldStop() and sleep() wait until it is resumed
         * or told to stop. A job between busy() and idle() is finished first.
         *
         * @param callable $callback function (): void
         * @return Worker this worker
         */
        public function onPause(callable $callback): Worker
        {
        }

        /**
         * Calls this when the worker is resumed (`rustdaemon resume`).
         *
         * @param callable $callback function (): void
         * @return Worker this worker
         */
        public function onResume(callable $callback): Worker
        {
        }

        /**
         * Calls this when a value that Request::bind() has made this worker's own has lived its time without being used: it is
         * unbound already. Close what belongs to it here.
         *
         * It is called between two requests, not while the worker is paused.
         *
         * @param callable $callback function (string $value): void
         * @return Worker this worker
         */
        public function onExpire(callable $callback): Worker
        {
        }

        /**
         * Calls this for each message that is sent to this worker, in the order in which they were accepted:
         * `rustdaemon call worker.send '["opcua#0", "tags.changed", {"line": 3}]'`; "opcua" means all workers of that name.
         *
         * It is called between two requests, not while the worker is paused; in a loop of your own in shouldStop() and sleep(),
         * not between busy() and idle(). The sender has its answer when all callbacks have returned, whatever they return.
         *
         * What a callback throws is answered to the sender with its short class name and message, and logged; no further callback
         * is called for this message, and the worker lives on. Without any callback the sender hears `unhandled_message`.
         *
         * A message that had not been begun when a worker ended is for the next one in its place. Request::current() is null here.
         *
         * ```php
         * $worker->onMessage(function (string $name, mixed $payload) use ($plc): void {
         *     if ($name === 'tags.changed') {
         *         $plc->reloadTags($payload['line']);
         *     }
         * });
         * ```
         *
         * @param callable $callback function (string $name, mixed $payload): void; the payload as json_decode() reads it, objects as
         * arrays; null where there is none
         * @return Worker this worker
         */
        public function onMessage(callable $callback): Worker
        {
        }

        /**
         * Whether a sidecar supervises this worker and is there.
         *
         * @return bool false: unsupervised, or the sidecar has gone
         */
        public function supervised(): bool
        {
        }
    }
}

namespace RustDaemon\Exception
{
    /**
     * The channel is closed: nothing can be sent, and all that was sent has been received.
     */
    class Closed extends \RuntimeException implements DaemonException
    {
    }

    /**
     * Implemented by every exception that rustdaemon throws.
     */
    interface DaemonException extends \Throwable
    {
    }

    /**
     * An argument, or the variable RUSTDAEMON in the environment, has a value that is not possible.
     */
    class InvalidArgument extends \InvalidArgumentException implements DaemonException
    {
    }

    /**
     * The connection to the sidecar that started this process cannot be used, or ended at the gate.
     */
    class LinkBroken extends \RuntimeException implements DaemonException
    {
    }

    /**
     * The sidecar did not let this worker in. The message is the sidecar's reason.
     */
    class LinkRefused extends \RuntimeException implements DaemonException
    {
    }

    /**
     * The pool's workers have as many sessions as they may. A client reads max_sessions_reached.
     */
    class MaxSessionsReached extends \RuntimeException implements DaemonException
    {
    }

    /**
     * The next message takes more memory than memory_limit leaves. It stays in the channel, as the next one: raise
     * memory_limit and receive it, or receive it in another process.
     */
    class MessageTooLarge extends \RuntimeException implements DaemonException
    {
    }

    /**
     * A message was received whose value cannot be made here: it is damaged, or its objects may not be or cannot be made.
     * It is gone; the next one can be received.
     */
    class MessageUnreadable extends \RuntimeException implements DaemonException
    {
    }

    /**
     * The method cannot be called from here: a fiber, an output callback, a destructor, a shutdown function, or
     * a handler of the worker itself; or a lock by who holds it already, or does not hold it.
     */
    class NotAllowedHere extends \LogicException implements DaemonException
    {
    }

    /**
     * The shared memory of that name cannot be used: it is another user's, of another kind, of a version of rustdaemon
     * that does not fit, or damaged. The message says what to do.
     */
    class SegmentUnusable extends \RuntimeException implements DaemonException
    {
    }

    /**
     * The script could not start itself again under the sidecar. Nothing has changed.
     */
    class SelfStartFailed extends \RuntimeException implements DaemonException
    {
    }

    /**
     * There is no such session: for handlers to throw. A client reads session_not_found, as opcua-session-manager says it.
     */
    class SessionNotFound extends \RuntimeException implements DaemonException
    {
    }

    /**
     * The session is another worker's. A client reads session_taken.
     */
    class SessionTaken extends \RuntimeException implements DaemonException
    {
    }

    /**
     * The sidecar's binary is not where it was looked for. The message names the places.
     */
    class SidecarNotFound extends \RuntimeException implements DaemonException
    {
    }

    /**
     * The system has refused something: no descriptor is left, there is no such process, it is not allowed.
     * getCode() is the errno.
     */
    class SystemCallFailed extends \RuntimeException implements DaemonException
    {
    }

    /**
     * Time was up before there was a message.
     */
    class Timeout extends \RuntimeException implements DaemonException
    {
    }

    /**
     * The extension works under php-cli only; in every other SAPI it does nothing.
     */
    class UnsupportedSapi extends \RuntimeException implements DaemonException
    {
    }
}
