--TEST--
A child that a shutdown function forks after a fatal error frees none of its parent's many objects
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--INI--
display_errors=0
--FILE--
<?php
use RustDaemon\Process;

$many = array_map(fn () => new stdClass(), range(1, 5000));
// Whether an object of the engine has been freed shows in who else refers to it.
$file = tempnam(sys_get_temp_dir(), 'rd');
$kept = new SplFileObject($file, 'w');
$known = WeakReference::create($kept);
register_shutdown_function(function () use (&$kept, $known, $file): void {
    $child = Process::fork(function () use (&$kept, $known): int {
        $kept = null;
        return $known->get() === null ? 1 : 0;
    });
    echo 'freed in the child: ', json_encode($child->wait()->code === 1), "\n";
    unlink($file);
});
trigger_error('the end', E_USER_ERROR);
?>
--EXPECT--
freed in the child: false
