--TEST--
Without a sidecar Worker::stream() tells of tasks and of the stop
--EXTENSIONS--
rustdaemon
--FILE--
<?php
use RustDaemon\Signal;

$worker = RustDaemon\Worker::install();
$worker->onStart(fn () => print "start\n")->onStop(fn () => print "stop\n");
$worker->after(0.02, function (): void {
    echo "task\n";
    Signal::send(getmypid(), 'TERM');
});
do {
    [$read, $none] = [[$worker->stream()], null];
    $ready = @stream_select($read, $none, $none, 10);
} while ($ready !== 0 && $worker->tick(0.0));
[$read, $none] = [[$worker->stream()], null];
var_dump($ready, stream_select($read, $none, $none, 0));
?>
--EXPECT--
start
task
stop
int(1)
int(0)
