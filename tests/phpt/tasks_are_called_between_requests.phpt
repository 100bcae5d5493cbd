--TEST--
Tasks and requests take turns in run(); tick() calls all tasks that are due, then serves one request, and does not wait
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $calls = 0;
    $worker->every(1e-9, function () use (&$calls) { $calls++; }); // always due
    $worker->expose('calls', function () use (&$calls) { return $calls; });
    exit($worker->run());
    PHP);
$sidecar->ready();
$sidecar->together(function (Sidecar $s): void {
    for ($i = 0; $i < 50; $i++) {
        $s->request('calls', '[]');
    }
});
$before = 0;
for ($i = 1; $i <= 50; $i++) {
    $calls = (int) substr($sidecar->reply($i), 5);
    if ($calls <= $before) {
        echo "no task between two requests\n";
    }
    $before = $calls;
}
$sidecar->drain();
$sidecar->end();
echo "-- tick\n";
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $log = [];
    $say = function (string $what) use (&$log) {
        return function () use ($what, &$log) { $log[] = $what; };
    };
    $worker->expose('say', function (string $what) use (&$log) { $log[] = $what; });
    $worker->ready(); // not tick(0.0): it might still be there when the requests arrive
    $arrived = fn () => file_exists($argv[0] . '.sent');
    while (!$arrived()) {
        usleep(500);
    }
    $worker->after(0, $say('a'))->after(0, fn () => $worker->after(0, $say('next turn')))->after(0, $say('b'));
    while (!in_array('request 2', $log)) {
        $log[] = json_encode($worker->tick(60.0));
    }
    echo implode(', ', $log), "\n";
    $worker->tick(null);
    PHP);
$sidecar->ready();
$sidecar->together(function (Sidecar $s): void {
    $s->request('say', '["request 1"]');
    $s->request('say', '["request 2"]');
});
touch($sidecar->script() . '.sent');
$sidecar->receive(); // Ready again: there are tasks
echo $sidecar->reply(1), ' ', $sidecar->reply(2), "\n";
unlink($sidecar->script() . '.sent');
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
exit 0
-- tick
data null data null
out: a, b, request 1, true, next turn, request 2, true
exit 0
