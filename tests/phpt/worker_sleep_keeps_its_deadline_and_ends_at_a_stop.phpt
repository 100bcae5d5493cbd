--TEST--
Worker::sleep() calls handlers at once, goes on to its deadline, and is false when the worker is told to stop
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
use RustDaemon\{Signal, SignalInfo, Worker};

require __DIR__ . '/include/sidecar.php';
$worker = Worker::install();
$calls = 0;
Signal::on('USR1', function () use (&$calls): void {
    $calls++;
});
$during = function (string $signals, callable $act): mixed {
    $code = "stream_get_contents(STDIN); foreach (explode(' ', '$signals') as \$s) RustDaemon\\Signal::send((int) \$argv[1], \$s, 1);";
    $child = proc_open([...php(), '-r', $code, '--', (string) getmypid()], [['pipe', 'r']], $pipes);
    fclose($pipes[0]);
    try {
        return $act();
    } finally {
        proc_close($child);
    }
};
foreach ([-1.0, NAN] as $bad) {
    try {
        $worker->sleep($bad);
    } catch (RustDaemon\Exception\InvalidArgument $e) {
        echo $e->getMessage(), "\n";
    }
}
$start = hrtime(true);
var_dump($worker->sleep(0.0), $worker->sleep(0.3));
echo hrtime(true) - $start >= 300_000_000 ? "slept\n" : "too early\n";
// Until the handler has run: each turn sleeps it all, however often it is woken.
var_dump($during('USR1', function () use ($worker, &$calls): bool {
    while ($calls === 0) {
        $start = hrtime(true);
        if (!$worker->sleep(0.05) || hrtime(true) - $start < 50_000_000) {
            return false;
        }
    }
    return true;
}), $calls);
Signal::on('USR2', fn () => throw new DomainException('USR2'));
try {
    $during('USR2', fn () => $worker->sleep(30.0));
} catch (DomainException $e) {
    echo 'left by ', $e->getMessage(), "\n";
}
var_dump($during('TERM', fn () => $worker->sleep(30.0)), $worker->sleep(30.0), $worker->shouldStop(), $worker->tick(null));
$last = Signal::last('TERM');
echo $last->name, ' ', $last->senderPid !== getmypid() ? 'from another process' : 'from me', "\n";
?>
--EXPECT--
seconds: must be a number of seconds from 0.0
seconds: must be a number of seconds from 0.0
bool(true)
bool(true)
slept
bool(true)
int(1)
left by USR2
bool(false)
bool(false)
bool(true)
bool(false)
SIGTERM from another process
