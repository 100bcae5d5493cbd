--TEST--
A stop ends tasks: the one in hand is finished, no other is begun, onStop comes last
--EXTENSIONS--
rustdaemon
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$loops = [
    'var_dump($worker->run());',
    'while ($worker->tick(60.0)) { }',
    'while (!$worker->shouldStop()) { }',
    'while ($worker->sleep(60.0)) { }',
];
foreach ($loops as $loop) {
    run_php(<<<'PHP'
        $worker = RustDaemon\Worker::install();
        $worker->onStop(fn () => print "stop\n");
        $worker->after(0.01, function () use ($worker) {
            posix_kill(getmypid(), SIGTERM);
            usleep(10000);
            echo 'in hand ', json_encode($worker->shouldStop()), "\n";
        });
        $worker->after(0.01, fn () => print "another\n")->every(0.005, fn () => usleep(1));
        PHP . "\n" . $loop . ' $worker->tick(0.0); echo "left\n";', options: ['-d', 'extension=posix']);
}
?>
--EXPECT--
in hand true
stop
int(0)
left
exit 0
in hand true
stop
left
exit 0
in hand true
stop
left
exit 0
in hand true
stop
left
exit 0
