--TEST--
A lock is held by one process until it is released, by whichever handle
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Lock;

$name = own_name();
$lock = Lock::open($name);
var_dump($lock->holder(), $lock->acquire(0.0), $lock->holder() === getmypid(), $lock->recovered());
$other = Other::start(<<<'PHP'
    $lock = RustDaemon\Lock::open($argv[1]);
    var_dump($lock->acquire(0.0), $lock->acquire(0.05), $lock->holder() === (int) $argv[2]);
    var_dump($lock->acquire(), $lock->holder() === getmypid());
    $lock->release();
    var_dump($lock->holder());
    PHP, $name, (string) getmypid());
echo $other->line(), ' ', $other->line(), ' ', $other->line(), "\n";
unset($lock);
gc_collect_cycles();
var_dump(Lock::open($name)->holder() === getmypid());
Lock::open($name)->release();
echo $other->end(), "\n";
$lock = Lock::open($name);
var_dump($lock->acquire(), $lock->recovered());
$lock->release();
?>
--EXPECT--
NULL
bool(true)
bool(true)
bool(false)
bool(false) bool(false) bool(true)
bool(true)
bool(true)
bool(true)
NULL
exit 0
bool(true)
bool(false)
