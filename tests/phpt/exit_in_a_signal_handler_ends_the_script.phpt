--TEST--
exit() in a handler takes effect when what had arrived is handled; shutdown functions and destructors still handle signals
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
run_php(<<<'PHP'
    use RustDaemon\{Signal, SignalInfo};

    final class Guard
    {
        public function __destruct()
        {
            echo "destructor\n";
            Signal::send(getmypid(), 'USR2');
        }
    }
    $guard = new Guard();
    register_shutdown_function(function (): void {
        echo "shutdown function\n";
        Signal::send(getmypid(), 'USR2');
        echo "its end\n";
    });
    Signal::on('USR2', fn () => print "USR2\n");
    Signal::on('USR1', fn () => exit(7));
    try {
        Signal::critical(function (): void {
            Signal::send(getmypid(), 'USR1');
            Signal::send(getmypid(), 'USR2');
        });
        echo "not reached\n";
    } catch (Throwable) {
        echo "not caught\n";
    } finally {
        echo "not run\n";
    }
    PHP);
?>
--EXPECT--
USR2
shutdown function
USR2
its end
destructor
USR2
exit 7
