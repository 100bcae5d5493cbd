--TEST--
Under a sidecar HUP does nothing, QUIT stops; the third stop signal ends a worker that is stuck, if the ini says so
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = <<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->expose('echo', fn () => 'pong');
    $worker->expose('stuck', function (): void {
        file_put_contents($GLOBALS['argv'][0] . '.stuck', ''); // not touch(): its utime() may come after our unlink()
        while (true) {
        }
    });
    register_shutdown_function(fn () => print "shutdown\n");
    exit($worker->run());
    PHP;
echo "-- HUP, then QUIT\n";
$sidecar = Sidecar::serve($code);
$sidecar->ready();
$sidecar->signal(1);
echo $sidecar->call('echo', '[]'), "\n";
$sidecar->signal(3);
$sidecar->end();
foreach ([3 => [], 2 => ['-d', 'rustdaemon.force_stop=2'], 0 => ['-d', 'rustdaemon.force_stop=0']] as $last => $options) {
    echo '-- ', $options[1] ?? 'default', "\n";
    $sidecar = Sidecar::serve($code, $options);
    $sidecar->ready();
    $sidecar->request('stuck', '[]');
    eventually('the handler runs', fn () => file_exists($sidecar->script() . '.stuck'));
    unlink($sidecar->script() . '.stuck');
    foreach ([1 => 15, 2, 15] as $number => $signal) {
        $sidecar->signal($signal);
        if ($number === $last) {
            break;
        }
        eventually('the signal is delivered', fn () => $sidecar->hasTakenSignals());
        echo $sidecar->isRunning() ? "lives on\n" : "has ended\n";
    }
    $last === 0 && $sidecar->signal(9);
    $sidecar->end();
}
?>
--EXPECT--
-- HUP, then QUIT
data "pong"
out: shutdown
exit 0
-- default
lives on
lives on
killed by 15
-- rustdaemon.force_stop=2
lives on
killed by 2
-- rustdaemon.force_stop=0
lives on
lives on
lives on
killed by 9
