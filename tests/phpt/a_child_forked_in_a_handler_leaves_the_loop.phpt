--TEST--
A child that a handler forked off does not answer and leaves run() when the handler returns or throws
--EXTENSIONS--
rustdaemon
ffi
pcntl
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $fork = function (callable $child): int {
        $pid = pcntl_fork();
        if ($pid === 0) {
            return $child();
        }
        pcntl_waitpid($pid, $status);
        return pcntl_wexitstatus($status);
    };
    $worker->expose('returns', fn () => $fork(fn () => 0));
    $worker->expose('throws', fn () => $fork(fn () => throw new DomainException('in the child')));
    $parent = getmypid();
    try {
        $code = $worker->run();
        $end = "run() gave $code";
    } catch (DomainException $e) {
        $end = 'thrown: ' . $e->getMessage();
    }
    echo getmypid() === $parent ? 'parent: ' : 'child: ', $end, "\n";
    exit(getmypid() === $parent ? 0 : 9);
    PHP);
$sidecar->ready();
echo $sidecar->call('returns', '[]'), "\n", $sidecar->call('throws', '[]'), "\n", $sidecar->call('returns', '[]'), "\n";
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
data 9
data 9
data 9
out: child: run() gave 0
out: child: thrown: in the child
out: child: run() gave 0
out: parent: run() gave 0
exit 0
