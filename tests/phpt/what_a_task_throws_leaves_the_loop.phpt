--TEST--
What a task throws leaves the loop, and the task goes on with its next turn; exit(), a fatal error or too much memory end the script
--EXTENSIONS--
rustdaemon
ffi
--ENV--
USE_TRACKED_ALLOC=1
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$install = '$worker = RustDaemon\Worker::install(); register_shutdown_function(fn () => print "shutdown\n");' . "\n";
$calls = ['$worker->run()', '$worker->tick(60.0)', '$worker->sleep(60.0)', 'do { } while (!$worker->shouldStop())'];
$throws = <<<'PHP'
    $worker->every(0.005, fn () => throw new DomainException('again'));
    $worker->after(0.0, fn () => throw new LogicException('once'));
    for ($i = 0; $i < 3; $i++) {
        try {
            CALL;
        } catch (Exception $e) {
            echo get_class($e), ' ', $e->getMessage(), "\n";
        }
    }
    PHP;
foreach ($calls as $call) {
    echo "-- $call\n";
    run_php($install . strtr($throws, ['CALL' => $call]));
}
$ends = [
    'exit' => 'exit(7);',
    'fatal' => 'trigger_error("fatal", E_USER_ERROR);',
    'memory' => '$all = []; while (true) { $all[] = str_repeat("x", 1 << 20); }',
];
foreach ($ends as $name => $end) {
    foreach (['every', 'after'] as $method) {
        echo "-- $name, $method\n";
        $sidecar = Sidecar::serve(
            "register_shutdown_function(function () { global \$worker; try { \$worker->tick(0.0); } catch (RustDaemon\\Exception\\NotAllowedHere) { } echo 'shutdown', PHP_EOL; });\n"
                . "\$worker = RustDaemon\\Worker::install(); \$worker->onStop(fn () => print 'stop');\n"
                . "\$worker->$method(0.001, function () { $end });\n\$worker->after(0.001, fn () => print 'another');\n\$worker->run(); echo 'returned';",
            [...WITH_USER_ERROR, '-d', 'memory_limit=16M', '-d', 'html_errors=0', '-d', 'log_errors=0', '-d', 'display_errors=1'],
        );
        $sidecar->ready();
        while (($frame = $sidecar->receive()) !== null) {
        }
        ob_start();
        $sidecar->end();
        echo preg_replace(['/\d+ bytes/', '~ at \S+:\d+(?= \()~'], ['N bytes', ''], ob_get_clean());
    }
}
?>
--EXPECT--
-- $worker->run()
LogicException once
DomainException again
DomainException again
shutdown
exit 0
-- $worker->tick(60.0)
LogicException once
DomainException again
DomainException again
shutdown
exit 0
-- $worker->sleep(60.0)
LogicException once
DomainException again
DomainException again
shutdown
exit 0
-- do { } while (!$worker->shouldStop())
LogicException once
DomainException again
DomainException again
shutdown
exit 0
-- exit, every
out: shutdown
exit 7
-- exit, after
out: shutdown
exit 7
-- fatal, every
out: Fatal error: fatal in SCRIPT on line 4
out: shutdown
exit 255
-- fatal, after
out: Fatal error: fatal in SCRIPT on line 4
out: shutdown
exit 255
-- memory, every
out: Fatal error: Allowed memory size of N bytes exhausted (tried to allocate N bytes) in SCRIPT on line 4
out: shutdown
exit 255
-- memory, after
out: Fatal error: Allowed memory size of N bytes exhausted (tried to allocate N bytes) in SCRIPT on line 4
out: shutdown
exit 255
