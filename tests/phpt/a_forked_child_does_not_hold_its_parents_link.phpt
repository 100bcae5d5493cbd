--TEST--
A child that lives on does not hold the link open: the worker's end is seen at once
--EXTENSIONS--
rustdaemon
ffi
pcntl
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks');
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $pipes = fn (): int => count(preg_grep('/^pipe:/',
        array_map(fn (string $fd) => (string) @readlink("/proc/self/fd/$fd"), scandir('/proc/self/fd'))));
    $before = $pipes();
    $worker = RustDaemon\Worker::install();
    $worker->expose('fork', function () use ($before, $pipes): int {
        $pid = pcntl_fork();
        if ($pid === 0) {
            if ($pipes() !== $before - 2) {
                exit(9); // the link's two are there still
            }
            pcntl_exec('/bin/sleep', ['60']);
        }
        return $pid;
    });
    exit($worker->run());
    PHP);
$sidecar->ready();
preg_match('/\d+/', $sidecar->call('fork', '[]'), $child);
eventually('the child has become another program', fn () => trim(file_get_contents("/proc/$child[0]/comm")) === 'sleep');
$sidecar->drain();
$sidecar->end();
echo file_exists("/proc/$child[0]/stat") ? "the child lives\n" : "the child is gone\n";
libc()->kill((int) $child[0], 9);
?>
--EXPECT--
exit 0
the child lives
