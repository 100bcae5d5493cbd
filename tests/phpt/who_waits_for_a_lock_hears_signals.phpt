--TEST--
While a process waits for a lock its signal handlers run, the timeout holds, and what they throw ends the wait
--EXTENSIONS--
rustdaemon
ffi
pcntl
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\{Lock, Signal};

$name = own_name();
$other = Other::start(<<<'PHP'
    use RustDaemon\{Lock, Signal};
    $lock = Lock::open($argv[1]);
    Signal::on('USR1', function (): void { echo "USR1 is handled\n"; });
    pcntl_async_signals(true);
    pcntl_signal(SIGWINCH, function (): void { echo "ext-pcntl's WINCH is handled\n"; });
    Signal::on('USR2', function (): void { throw new Exception('thrown in USR2'); });
    echo "waits\n";
    $began = hrtime(true);
    var_dump($lock->acquire(0.25), hrtime(true) - $began >= 250e6);
    try {
        $lock->acquire();
    } catch (Exception $e) {
        echo $e->getMessage(), "\n";
    }
    var_dump($lock->holder() === (int) $argv[2]);
    var_dump(Signal::stopRequested());
    echo "waits again\n";
    var_dump($lock->acquire(), Signal::stopRequested());
    PHP, $name, (string) getmypid());
$lock = Lock::open($name);
$lock->acquire();
echo $other->line(), "\n";
$other->signal(SIGUSR1);
echo $other->line(), "\n";
echo $other->line(), ' ', $other->line(), "\n";
$other->signal(SIGWINCH);
echo $other->line(), "\n";
$other->signal(SIGUSR1);
echo $other->line(), "\n";
$other->signal(SIGUSR2);
echo $other->line(), "\n", $other->line(), "\n", $other->line(), "\n", $other->line(), "\n";
$other->signal(SIGTERM);
echo $other->end(), "\n";
?>
--EXPECT--
waits
USR1 is handled
bool(false) bool(true)
ext-pcntl's WINCH is handled
USR1 is handled
thrown in USR2
bool(true)
bool(false)
waits again
bool(false)
bool(true)
exit 0
