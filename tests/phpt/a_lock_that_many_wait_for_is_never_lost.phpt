--TEST--
Four processes that acquire and release one lock, as fast as they can, all get on
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\{Counter, Lock, Process};

$name = 'phpt-many-' . getmypid();
$inside = Counter::create();
$turns = Counter::create();
$children = [];
for ($i = 0; $i < 4; $i++) {
    $children[] = Process::fork(function () use ($name, $inside, $turns): int {
        $lock = Lock::open($name);
        for ($turn = 0; $turn < 5000; $turn++) {
            if (!$lock->acquire(20.0)) {
                return 1;                           // nobody holds it, and nobody gets it
            }
            if ($inside->add() !== 1) {
                return 2;
            }
            $turns->add();
            $inside->add(-1);
            $lock->release();
        }
        return 0;
    });
}
echo json_encode(array_map(fn (Process $child) => $child->wait()->code, $children)), ' ', $turns->get(), "\n";
unlink(glob("/dev/shm/*-$name")[0]);
?>
--EXPECT--
[0,0,0,0] 20000
