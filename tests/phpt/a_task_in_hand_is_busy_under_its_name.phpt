--TEST--
A task in hand is said on the page, under a name that says what it is; a job gets the page back; between two it is idle
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
    class Poller
    {
        public function poll(): void { step(); }
        public static function tidy(): void { step(); }
        public function __invoke(): void { step(); }
        public function __call(string $name, array $arguments): void { step(); }
    }
    $worker = RustDaemon\Worker::install();
    $poller = new Poller();
    $tasks = ['step', [$poller, 'poll'], $poller->poll(...), 'Poller::tidy', $poller, [$poller, 'magic'], step(...), fn () => step()];
    foreach ($tasks as $task) {
        $worker->after(0.0, $task);
    }
    $worker->tick(0.0);
    step();
    $worker->busy('import', 600.0);
    $worker->after(1e-3, 'step');
    $worker->tick(60.0);
    step();
    $worker->idle();
    $calls = 0;
    $worker->every(0.02, function () use ($worker, &$calls) {
        if (++$calls <= 2) {
            $worker->progress('half');
            $worker->busy('more', 600.0);
            step();
        }
    });
    $worker->run();
    PHP);
$step = $sidecar->script() . '.step';
$look = function () use ($sidecar, $step): void {
    eventually('the next step', fn () => file_exists($step));
    $life = $sidecar->life();
    $what = str_replace($sidecar->script(), 'SCRIPT', $life['what']);
    $deadline = $life['deadline'] > $life['busySince'] + 500e9 ? '600 s' : 'none';
    echo $life['phase'] === 4 ? "$what, status \"$life[status]\", deadline $deadline" : "phase $life[phase]", "\n";
    unlink($step);
};
echo json_encode($sidecar->readyFrame()), "\n";
for ($i = 0; $i < 8; $i++) {
    $look();
}
echo "-- between two\n";
$look();
echo "-- in a job\n";
$look();
$look();
echo "-- it comes again\n";
$look();
$look();
eventually('it waits', fn () => $sidecar->life()['phase'] === 1 && $sidecar->life()['waiting'] === 1);
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
{"methods":[],"own_loop":false,"jobs":true}
after 0 s, step(), status "", deadline none
after 0 s, Poller->poll(), status "", deadline none
after 0 s, Poller->poll(), status "", deadline none
after 0 s, Poller::tidy(), status "", deadline none
after 0 s, Poller->__invoke(), status "", deadline none
after 0 s, Poller->magic(), status "", deadline none
after 0 s, step(), status "", deadline none
after 0 s, {closure} at SCRIPT:19, status "", deadline none
-- between two
phase 1
-- in a job
after 0.001 s, step(), status "", deadline none
import, status "", deadline 600 s
-- it comes again
more, status "half", deadline 600 s
more, status "half", deadline 600 s
exit 0
