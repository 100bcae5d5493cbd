--TEST--
While paused run() and tick() serve nothing, and a stop still works; each Pause and Resume is acknowledged
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = <<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->onPause(fn () => print "pause\n")->onResume(fn () => print "resume\n");
    $worker->expose('echo', fn (string $text) => $text);
    exit($worker->run());
    PHP;
$sidecar = Sidecar::serve($code);
echo json_encode($sidecar->readyFrame()), "\n";
$sidecar->pause();
echo $sidecar->life()['flags'], "\n";
$sidecar->pause();
$sequence = $sidecar->request('echo', '["later"]');
$sidecar->pause(); // acknowledged after the request had arrived: it was not served
echo $sidecar->page()['request'], "\n";
$sidecar->pause(false);
echo $sidecar->reply($sequence), "\n", $sidecar->life()['flags'], "\n";
$sidecar->pause(false);
$sidecar->pause();
$sidecar->request('echo', '["never"]');
$sidecar->drain();
$sidecar->end();
echo json_encode($sidecar->page()), "\n";
echo "-- in the middle of requests\n";
$sidecar = Sidecar::serve($code);
$sidecar->ready();
$sidecar->together(function (Sidecar $s): void {
    $s->request('echo', '["before"]');
    $s->send(Sidecar::PAUSE, 0, 0, '');
    $s->send(Sidecar::RESUME, 0, 0, '');
    $s->request('echo', '["after"]');
});
echo $sidecar->reply(1), "\n";
$sidecar->expect(Sidecar::PAUSED);
$sidecar->expect(Sidecar::RESUMED);
echo $sidecar->reply(2), "\n";
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
{"methods":[{"name":"echo","idempotent":false}],"own_loop":false}
1
0
data "later"
0
out: pause
out: resume
out: pause
exit 0
{"request":0,"served":1}
-- in the middle of requests
data "before"
data "after"
out: pause
out: resume
exit 0
