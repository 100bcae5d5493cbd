--TEST--
A message in hand is said on the page by its name, for hang detection too; while paused none is begun; a job gets the page back
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    function step(): void
    {
        global $argv;
        fclose(fopen($argv[0] . '.step', 'x'));
        while (file_exists($argv[0] . '.step')) {
            usleep(500);
        }
    }
    $worker = RustDaemon\Worker::install();
    $worker->onPause(fn () => print "pause\n")->onResume(fn () => print "resume\n");
    $worker->onMessage(function (string $name, mixed $payload) use ($worker) {
        echo "$name\n";
        step();
        if ($payload) {
            $worker->busy($payload, 600.0);
            step();
        }
    });
    $worker->tick(null);
    $worker->busy('import', 600.0);
    $worker->tick(null);
    step();
    $worker->idle();
    $worker->run();
    PHP);
$step = $sidecar->script() . '.step';
$look = function () use ($sidecar, $step): void {
    eventually('the next step', fn () => file_exists($step));
    $life = $sidecar->life();
    echo "phase $life[phase], $life[what], request ", $sidecar->page()['request'], "\n";
    unlink($step);
};
$sidecar->ready();
$first = $sidecar->request('worker.send', '["tags.changed","reading tags"]');
$look();
$look();
echo $sidecar->reply($first), "\n";
$second = $sidecar->request('worker.send', '["\u00e9",null]');
$look();
echo json_encode($sidecar->readyFrame()), "\n"; // busy() has told of jobs
echo $sidecar->reply($second), "\n";
$look();
$sidecar->pause();
$third = $sidecar->request('worker.send', '["later",null]');
usleep(1000);
echo 'while paused: ', json_encode($sidecar->page()), "\n";
$sidecar->pause(false);
$look();
echo $sidecar->reply($third), "\n";
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
phase 2, onMessage tags.changed, request 1
phase 2, reading tags, request 1
data null
phase 2, onMessage é, request 2
{"methods":[],"own_loop":false,"jobs":true}
data null
phase 4, import, request 0
while paused: {"request":0,"served":2}
phase 2, onMessage later, request 3
data null
out: tags.changed
out: é
out: pause
out: resume
out: later
exit 0
