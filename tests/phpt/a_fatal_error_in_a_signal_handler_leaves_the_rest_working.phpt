--TEST--
After a fatal error, or out of memory, in a handler the shutdown functions run and signals are handled there
--EXTENSIONS--
rustdaemon
ffi
--ENV--
USE_TRACKED_ALLOC=1
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$fatal = [
    'fatal' => 'trigger_error("fatal in a handler", E_USER_ERROR);',
    'memory' => 'str_repeat("x", 100_000_000);',
];
foreach ($fatal as $what => $code) {
    // Before PHP 8.2.35 the memory limit was a fatal error, since then an exit: the shutdown function begins first.
    ob_start(fn (string $text): string => preg_replace('/(?: at \S+:\d+)? \(tried to allocate \d+/', ' (tried to allocate N', $text));
    $behind = $what === 'memory' ? '' : "Signal::send(getmypid(), 'USR2');";
    run_php(<<<PHP
        use RustDaemon\\{Signal, SignalInfo};

        ini_set('memory_limit', '20M');
        register_shutdown_function(function (): void {
            echo "shutdown function\\n";
            Signal::send(getmypid(), 'USR2');
            Signal::critical(fn () => Signal::send(getmypid(), 'USR2'));
            (new Fiber(function (): void {
                Fiber::suspend();
                echo "never\\n";
            }))->start();
            echo "its end\\n";
        });
        Signal::on('USR2', fn () => print "USR2\\n");
        Signal::on('USR1', function (): void {
            echo "USR1\\n";
            $code
        });
        Signal::critical(function (): void {
            Signal::send(getmypid(), 'USR1');
            $behind
        });
        echo "not reached\\n";
        PHP, options: [...WITH_USER_ERROR, '-d', 'html_errors=0']);
    ob_end_flush();
}
// The same in a critical section.
run_php(<<<'PHP'
    use RustDaemon\Signal;

    Signal::on('USR2', fn () => print "USR2\n");
    register_shutdown_function(function (): void {
        echo "shutdown function\n";
        Signal::send(getmypid(), 'USR2');
    });
    Signal::critical(fn () => trigger_error('fatal in a section', E_USER_ERROR));
    PHP, options: WITH_USER_ERROR);
?>
--EXPECT--
USR1

Fatal error: fatal in a handler in SCRIPT on line 18
USR2
shutdown function
USR2
USR2
its end
exit 255
USR1

Fatal error: Allowed memory size of 20971520 bytes exhausted (tried to allocate N bytes) in SCRIPT on line 18
shutdown function
USR2
USR2
its end
exit 255

Fatal error: fatal in a section in SCRIPT on line 9
shutdown function
USR2
exit 255
