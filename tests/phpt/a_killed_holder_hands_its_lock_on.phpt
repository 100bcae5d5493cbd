--TEST--
Whoever waits gets the lock of a process that ends holding it, however it ends, and is told
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Lock;

$name = own_name();
$lock = Lock::open($name);
$ends = [
    'SIGKILL' => 'RustDaemon\Signal::send(getmypid(), "KILL");',
    'exit' => 'exit(0);',
    'a fatal error' => 'ini_set("display_errors", "0"); trigger_error("x", E_USER_ERROR);',
    'another program' => 'pcntl_exec("/bin/sleep", ["60"]);',
];
foreach ($ends as $how => $end) {
    $other = Other::start("RustDaemon\\Lock::open(\$argv[1])->acquire(); echo \"has it\\n\"; fgets(STDIN); $end", $name);
    echo $other->line(), ', ';
    var_dump($lock->acquire(0.0));
    $other->tell('end');
    echo "after $how: ";
    var_dump($lock->acquire(10.0));
    var_dump($lock->recovered());
    $lock->release();
    $lock->acquire();
    var_dump($lock->recovered());
    $lock->release();
    unset($other);
}
?>
--EXPECT--
has it, bool(false)
after SIGKILL: bool(true)
bool(true)
bool(false)
has it, bool(false)
after exit: bool(true)
bool(true)
bool(false)
has it, bool(false)
after a fatal error: bool(true)
bool(true)
bool(false)
has it, bool(false)
after another program: bool(true)
bool(true)
bool(false)
