--TEST--
A handler is called with one SignalInfo: typed, readonly, made by nobody else
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip valgrind delivers queued signals later');
--FILE--
<?php
use RustDaemon\{Signal, SignalInfo};

Signal::on([Signal::USR1, 'SIGUSR2', 'rtmin+1'], function (...$arguments): void {
    [$info] = $arguments;
    echo count($arguments), ' ', json_encode(get_object_vars($info)), "\n";
    try {
        $info->signal = 1;
    } catch (Error $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }
});
ob_start(fn (string $text) => str_replace('"senderPid":' . getmypid() . ',"senderUid":' . getmyuid(), '"senderPid":me', $text), 1);
Signal::send(getmypid(), 'USR1');
Signal::send(getmypid(), SIGUSR2, -5);
Signal::send(getmypid(), 35, 2147483647);
Signal::send(getmypid(), '35', 0);
ob_end_flush();
foreach ([fn () => new SignalInfo(), fn () => clone Signal::last('USR1'), fn () => new Signal(), fn () => serialize(Signal::last('USR1'))] as $attempt) {
    try {
        $attempt();
    } catch (Throwable $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }
}
$info = Signal::last('USR1');
try {
    $info->other = 1;
} catch (Error $e) {
    echo get_class($e), ': ', $e->getMessage(), "\n";
}
var_dump(Signal::last('USR1')->senderCommand === trim(file_get_contents('/proc/self/comm')), Signal::last('HUP'), Signal::last(1));
?>
--EXPECT--
1 {"signal":10,"name":"SIGUSR1","code":0,"senderPid":me,"senderCommand":null,"value":null,"count":1}
Error: Cannot modify readonly property RustDaemon\SignalInfo::$signal
1 {"signal":12,"name":"SIGUSR2","code":-1,"senderPid":me,"senderCommand":null,"value":-5,"count":1}
Error: Cannot modify readonly property RustDaemon\SignalInfo::$signal
1 {"signal":35,"name":"SIGRTMIN+1","code":-1,"senderPid":me,"senderCommand":null,"value":2147483647,"count":1}
Error: Cannot modify readonly property RustDaemon\SignalInfo::$signal
1 {"signal":35,"name":"SIGRTMIN+1","code":-1,"senderPid":me,"senderCommand":null,"value":0,"count":2}
Error: Cannot modify readonly property RustDaemon\SignalInfo::$signal
Error: Call to private RustDaemon\SignalInfo::__construct() from global scope
Error: Trying to clone an uncloneable object of class RustDaemon\SignalInfo
Error: Call to private RustDaemon\Signal::__construct() from global scope
Exception: Serialization of 'RustDaemon\SignalInfo' is not allowed
Error: Cannot create dynamic property RustDaemon\SignalInfo::$other
bool(true)
NULL
NULL
