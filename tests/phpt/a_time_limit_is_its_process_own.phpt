--TEST--
A time limit is not inherited: a child has none until it sets one, and its parent keeps its own
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--INI--
display_errors=0
log_errors=0
--FILE--
<?php
use RustDaemon\Process;

/** Spends so much time on the CPU, which is what a limit counts. */
function work(float $seconds): void
{
    $used = fn (): float => getrusage()['ru_utime.tv_sec'] + getrusage()['ru_stime.tv_sec'] + (getrusage()['ru_utime.tv_usec'] + getrusage()['ru_stime.tv_usec']) / 1e6;
    for ($end = $used() + $seconds; $used() < $end;);
}
set_time_limit(1);
$inherits = Process::fork(function (): int {
    work(1.2);
    return 7;
});
$sets = Process::fork(function (): void {
    register_shutdown_function(function (): void {
        preg_match('/Maximum execution time of 1 second exceeded/', error_get_last()['message'] ?? '', $found);
        echo 'the child: ', $found[0] ?? 'something else', "\n";
    });
    set_time_limit(1);
    work(30.0);
});
$codes = [$inherits->wait(), $sets->wait()];
echo 'its end: ', $codes[0]->code, ', ', $codes[1]->code, "\n";
register_shutdown_function(function (): void {
    echo 'the parent: ', error_get_last()['message'] ?? 'nothing', "\n";
});
work(30.0);
?>
--EXPECTF--
the child: Maximum execution time of 1 second exceeded
its end: 7, 255
the parent: Maximum execution time of 1 second exceeded
