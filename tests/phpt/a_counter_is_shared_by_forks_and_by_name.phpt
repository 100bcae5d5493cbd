--TEST--
A counter is shared by forked children, and by name by every process; no addition is lost
--EXTENSIONS--
rustdaemon
ffi
pcntl
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Counter;

$name = own_name();
$before = scandir('/dev/shm');
$counter = Counter::create(-5);
$again = Counter::create();
var_dump(array_diff(scandir('/dev/shm'), $before) === [], $counter->get(), $again->get());
$named = Counter::open($name);
$pids = [];
for ($child = 0; $child < 3; $child++) {
    $pid = pcntl_fork();
    if ($pid === 0) {
        for ($turn = 0; $turn < 10000; $turn++) {
            $counter->add();
            $named->add(2);
            do {
                $seen = $again->get();
            } while (!$again->compareAndSet($seen, $seen + 1));
        }
        exit(0);
    }
    $pids[] = $pid;
}
foreach ($pids as $pid) {
    pcntl_waitpid($pid, $status);
}
var_dump($counter->get(), $again->get());
unset($named);
echo Other::start('var_dump(RustDaemon\Counter::open($argv[1])->add(-1));', $name)->end(), "\n";
var_dump(Counter::open($name)->get());
$counter->set(PHP_INT_MAX);
echo thrown(fn () => $counter->add()), "\n";
var_dump($counter->get() === PHP_INT_MAX, $counter->compareAndSet(1, 2), $counter->compareAndSet(PHP_INT_MAX, -1), $counter->add(1));
echo thrown(fn () => $counter->add('one')), "\n", thrown(fn () => $counter->set()), "\n", thrown(fn () => clone $counter), "\n";
?>
--EXPECT--
bool(true)
int(-5)
int(0)
int(29995)
int(30000)
int(59999)
exit 0
int(59999)
InvalidArgument: number: with 1 more the counter would not fit in 64 bits: set() it to another value first
bool(true)
bool(false)
bool(true)
int(0)
TypeError: RustDaemon\Counter::add(): Argument #1 ($number) must be of type int, string given
ArgumentCountError: RustDaemon\Counter::set() expects exactly 1 argument, 0 given
Error: Trying to clone an uncloneable object of class RustDaemon\Counter
