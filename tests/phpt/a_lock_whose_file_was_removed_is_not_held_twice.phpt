--TEST--
A lock whose file was removed is not the lock of its name: who waits for it gets the new one, and its holder can see it
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
$waiter = <<<'PHP'
    use RustDaemon\Lock;
    $lock = Lock::open($argv[1]);
    echo "opened\n";
    fgets(STDIN);
    echo json_encode($lock->acquire(0.0)), ' ', json_encode($lock->holder() === (int) $argv[2]), "\n";
    echo json_encode($lock->acquire(10.0)), ' ', json_encode($lock->holder() === getmypid()), "\n";
    fgets(STDIN);
    PHP;
$other = Other::start($waiter, $name, (string) getmypid());
echo $other->line(), "\n";
unlink(segment('lock', $name));

echo "the holder: ";
var_dump($lock->holder());
$other->tell('try');
echo 'who knows of it: ', $other->line(), "\n";
$pid = pcntl_fork();
if ($pid === 0) {
    var_dump(Lock::open($name)->acquire(0.0));
    RustDaemon\Signal::send(getmypid(), 'KILL'); // without destructors: the other process is its parent's
}
pcntl_waitpid($pid, $status);

$lock->release();
echo 'after the release: ', $other->line(), "\n";
echo 'the same lock as of whoever opens it now: ';
var_dump(Lock::open($name)->holder() === $other->pid(), Lock::open($name)->acquire(0.0));
$other->tell('end');
echo $other->end(), "\n";

var_dump($lock->acquire(10.0), $lock->recovered());
unlink(segment('lock', $name));
echo 'acquired anew: ';
var_dump($lock->acquire(0.0), $lock->holder() === getmypid(), file_exists(segment('lock', $name)));
echo str_replace($name, 'NAME', thrown(fn () => $lock->acquire(0.0))), "\n";
unlink(segment('lock', $name));
mkdir(segment('lock', $name));
echo str_replace(segment('lock', $name), 'PATH', thrown(fn () => $lock->acquire(0.0))), "\n";
rmdir(segment('lock', $name));
?>
--EXPECT--
opened
the holder: NULL
who knows of it: false true
bool(false)
after the release: true true
the same lock as of whoever opens it now: bool(true)
bool(false)
exit 0
bool(true)
bool(true)
acquired anew: bool(true)
bool(true)
bool(true)
NotAllowedHere: this process holds the lock "NAME" already: release() it before it is acquired again
SegmentUnusable: PATH is a directory and no segment of rustdaemon's: remove it
