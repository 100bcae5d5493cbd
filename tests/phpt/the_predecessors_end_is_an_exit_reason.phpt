--TEST--
$predecessor says why the worker before ended; null for the first
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = <<<'PHP'
    $worker = RustDaemon\Worker::install();
    var_dump($worker->predecessor);
    if ($worker->predecessor) {
        try {
            $worker->predecessor->reason = 'x';
        } catch (Error $e) {
            echo $e->getMessage(), "\n";
        }
    }
    PHP;
$sidecar = Sidecar::start($code);
$sidecar->hello();
$sidecar->go();
$sidecar->end();
$sidecar = Sidecar::start($code);
$sidecar->hello();
$sidecar->go(['version' => 3, 'predecessor' => ['reason' => 'oom', 'message' => 'out of memory', 'signal' => 'SIGKILL',
    'sender_uid' => 0, 'line' => 12, 'file' => '/app/x.php', 'ran' => 1.5, 'at' => 1e9, 'log' => ['one', "zwei\u{e9}"]]]);
$sidecar->end();
?>
--EXPECT--
out: NULL
exit 0
out: object(RustDaemon\ExitReason)#2 (13) {
out:   ["reason"]=>
out:   string(3) "oom"
out:   ["message"]=>
out:   string(13) "out of memory"
out:   ["code"]=>
out:   NULL
out:   ["signal"]=>
out:   string(7) "SIGKILL"
out:   ["senderPid"]=>
out:   NULL
out:   ["senderUid"]=>
out:   int(0)
out:   ["senderCommand"]=>
out:   NULL
out:   ["error"]=>
out:   NULL
out:   ["file"]=>
out:   string(10) "/app/x.php"
out:   ["line"]=>
out:   int(12)
out:   ["ran"]=>
out:   float(1.5)
out:   ["at"]=>
out:   float(1000000000)
out:   ["log"]=>
out:   array(2) {
out:     [0]=>
out:     string(3) "one"
out:     [1]=>
out:     string(6) "zweié"
out:   }
out: }
out: Cannot modify readonly property RustDaemon\ExitReason::$reason
exit 0
