--TEST--
Reflection shows the signatures as they are, the unions included
--EXTENSIONS--
rustdaemon
--FILE--
<?php
foreach ([RustDaemon\Worker::class, RustDaemon\Signal::class, RustDaemon\Request::class, RustDaemon\Process::class,
    RustDaemon\Lock::class, RustDaemon\Counter::class, RustDaemon\Channel::class] as $class) {
    foreach ((new ReflectionClass($class))->getMethods() as $method) {
        echo implode(' ', Reflection::getModifierNames($method->getModifiers())), ' ', $method->getName(), "\n";
        foreach ($method->getParameters() as $parameter) {
            $dots = $parameter->isVariadic() ? '...' : '';
            $default = $parameter->isDefaultValueAvailable() ? ' = ' . var_export($parameter->getDefaultValue(), true) : '';
            echo '    ', $parameter->getType(), " $dots$", $parameter->getName(), $default, "\n";
        }
        echo '    : ', $method->getReturnType() ?? '-', "\n";
    }
}
foreach ([RustDaemon\SignalInfo::class, RustDaemon\ExitReason::class, RustDaemon\Request::class, RustDaemon\Process::class, RustDaemon\ExitStatus::class] as $class) {
    foreach ((new ReflectionClass($class))->getProperties() as $property) {
        echo implode(' ', Reflection::getModifierNames($property->getModifiers())), ' ', $property->getType(), ' ', $property->getName(), "\n";
    }
}
?>
--EXPECT--
private __construct
    : -
public static install
    ?string $name = NULL
    ?string $socket = NULL
    string|int $mode = 384
    ?string $token = NULL
    int $workers = 1
    : RustDaemon\Worker
public expose
    string $method
    callable $handler
    ?string $description = NULL
    bool $idempotent = false
    : RustDaemon\Worker
public concurrency
    int $requests
    : RustDaemon\Worker
public stream
    : -
public every
    float $seconds
    callable $task
    : RustDaemon\Worker
public after
    float $seconds
    callable $task
    : RustDaemon\Worker
public run
    : int
public tick
    ?float $timeout
    : bool
public sleep
    float $seconds
    : bool
public shouldStop
    : bool
public ready
    : RustDaemon\Worker
public busy
    string $what
    ?float $deadline = NULL
    : void
public idle
    : void
public progress
    ?string $status = NULL
    : void
public onStart
    callable $callback
    : RustDaemon\Worker
public onStop
    callable $callback
    : RustDaemon\Worker
public onPause
    callable $callback
    : RustDaemon\Worker
public onResume
    callable $callback
    : RustDaemon\Worker
public onExpire
    callable $callback
    : RustDaemon\Worker
public onMessage
    callable $callback
    : RustDaemon\Worker
public supervised
    : bool
private __construct
    : -
public static on
    array|string|int $signals
    callable $handler
    : void
public static off
    array|string|int $signals
    : void
public static ignore
    array|string|int $signals
    : void
public static default
    array|string|int $signals
    : void
public static wait
    ?float $timeout
    string|int ...$signals
    : ?RustDaemon\SignalInfo
public static dispatch
    : int
public static pending
    : array
public static last
    string|int $signal
    : ?RustDaemon\SignalInfo
public static critical
    callable $section
    string|int ...$signals
    : mixed
public static stopRequested
    : bool
public static stream
    : -
public static send
    int $pid
    string|int $signal
    ?int $value = NULL
    : void
private __construct
    : -
public static current
    : ?RustDaemon\Request
public bind
    string $value
    ?float $ttl = 600.0
    : void
public unbind
    string $value
    : void
public defer
    : RustDaemon\Request
public reply
    mixed $value
    : void
public fail
    Throwable|string $why
    : void
private __construct
    : -
public static fork
    callable $main
    : RustDaemon\Process
public static onFork
    callable $reset
    : void
public static audit
    : array
public wait
    ?float $timeout = NULL
    : ?RustDaemon\ExitStatus
public signal
    string|int $signal
    : void
public terminate
    ?float $grace = 10.0
    : RustDaemon\ExitStatus
public isRunning
    : bool
public stream
    : -
private __construct
    : -
public static open
    string $name
    : RustDaemon\Lock
public acquire
    ?float $timeout = NULL
    : bool
public release
    : void
public recovered
    : bool
public holder
    : ?int
private __construct
    : -
public static create
    int $value = 0
    : RustDaemon\Counter
public static open
    string $name
    : RustDaemon\Counter
public add
    int $number = 1
    : int
public get
    : int
public set
    int $value
    : void
public compareAndSet
    int $old
    int $new
    : bool
private __construct
    : -
public static create
    int $bytes = 1048576
    array|bool $allowedClasses = false
    : RustDaemon\Channel
public static open
    string $name
    ?int $bytes = NULL
    array|bool $allowedClasses = false
    : RustDaemon\Channel
public send
    mixed $value
    ?float $timeout = NULL
    : bool
public receive
    ?float $timeout = NULL
    : mixed
public tryReceive
    mixed $value
    ?float $timeout = 0.0
    : bool
public close
    : void
public stream
    : -
public stats
    : array
public count
    : int
public getIterator
    : Iterator
public readonly int signal
public readonly string name
public readonly int code
public readonly ?int senderPid
public readonly ?int senderUid
public readonly ?string senderCommand
public readonly ?int value
public readonly int count
public readonly string reason
public readonly string message
public readonly ?int code
public readonly ?string signal
public readonly ?int senderPid
public readonly ?int senderUid
public readonly ?string senderCommand
public readonly ?string error
public readonly ?string file
public readonly ?int line
public readonly float ran
public readonly float at
public readonly array log
public readonly string method
public readonly string|int|null id
public readonly string dialect
public readonly array args
public readonly ?float deadline
public readonly int peerPid
public readonly int peerUid
public readonly int pid
public readonly ?int code
public readonly ?int signal
public readonly ?string signalName
public readonly bool core
public readonly bool known
public readonly float userTime
public readonly float systemTime
public readonly int peakMemory
