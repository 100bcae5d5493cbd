--TEST--
A forked child does not hold its parent's lock, and its end does not release it
--EXTENSIONS--
rustdaemon
ffi
pcntl
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Lock;

$name = own_name();
$lock = Lock::open($name);
$lock->acquire();
$parent = getmypid();
$child = function (callable $main): void {
    $pid = pcntl_fork();
    if ($pid === 0) {
        $main();
        exit(0);
    }
    pcntl_waitpid($pid, $status);
    echo 'ended ', pcntl_wexitstatus($status), "\n";
};
$child(function () use ($lock, $parent): void {
    var_dump($lock->holder() === $parent, $lock->acquire(0.0));
    echo str_replace($GLOBALS['name'], 'NAME', thrown($lock->release(...))), "\n";
});
var_dump($lock->holder() === getmypid());
$lock->release();
$child(function () use ($lock): void {
    var_dump($lock->acquire(0.0), $lock->recovered());
});
var_dump($lock->acquire(0.0), $lock->recovered());
$lock->release();
?>
--EXPECT--
bool(true)
bool(false)
NotAllowedHere: this process does not hold the lock "NAME": only who has acquired it releases it
ended 0
bool(true)
bool(true)
bool(false)
ended 0
bool(true)
bool(true)
