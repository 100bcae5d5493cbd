--TEST--
A child that is given up while no descriptor is left is reaped once there are some again
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\Process;

function until(callable $is_so): string
{
    $deadline = microtime(true) + 20;
    while (!$is_so()) {
        if (microtime(true) > $deadline) {
            return 'not';
        }
        usleep(1000);
        clearstatcache();
    }
    return 'gone';
}

$taken = [];
while ($file = @fopen('/dev/null', 'r')) {
    $taken[] = $file;
}
array_pop($taken);                                      // one for the child's pidfd
$child = Process::fork(fn () => usleep(20000));
$pid = $child->pid;
unset($child);                                          // the thread that reaps cannot be made
$taken = null;
$next = Process::fork(fn () => 0);
$next->wait();
unset($next);                                           // it has ended: the one before it is thought of all the same
echo until(fn () => !is_dir("/proc/$pid")), "\n";
?>
--EXPECT--
gone
