--TEST--
A worker wakes up for a task that is due, and not before; without tasks never
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
foreach (['', '$worker->every(3600.0, "phpversion")->after(3600.0, "phpversion");'] as $tasks) {
    $sidecar = Sidecar::serve('$worker = RustDaemon\Worker::install();' . $tasks . '$worker->run();');
    $sidecar->ready();
    $pid = $sidecar->pid();
    $at_rest = fn () => $sidecar->life()['waiting'] === 1 && str_contains(file_get_contents("/proc/$pid/status"), 'S (sleeping)');
    eventually('it waits', $at_rest);
    $woken = function () use ($pid): string {
        preg_match('/^voluntary_ctxt_switches:\s*(\d+)/m', file_get_contents("/proc/$pid/status"), $found);
        return $found[1];
    };
    $before = $woken();
    usleep(200000);
    echo json_encode($woken() === $before), ' ', $sidecar->life()['phase'], "\n";
    $sidecar->drain();
    $sidecar->end();
}
?>
--EXPECT--
true 1
exit 0
true 1
exit 0
