--TEST--
A child of Process::fork() in a handler or a task is no worker: it answers nothing, and the worker serves on
--EXTENSIONS--
rustdaemon
ffi
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    use RustDaemon\{Process, Signal, Worker};

    $worker = Worker::install();
    $worker->onStop(fn () => print "stopped\n");
    Signal::on('USR1', fn () => print "never in a child\n");
    $tasks = 0;
    $worker->after(0.0, function () use (&$tasks): void {
        $tasks += Process::fork(fn () => 3)->wait()->code;
    });
    $worker->expose('tasks', function () use (&$tasks): int { return $tasks; });
    $worker->expose('fork', function () use ($worker): array {
        $process = Process::fork(function () use ($worker): int {
            $alone = !$worker->supervised() && !$worker->shouldStop();
            Signal::wait(0.0, 'USR2');
            Signal::send(getmypid(), 'USR2');
            return $alone && Signal::wait(10.0, 'USR2') !== null ? 5 : 6;
        });
        return [$process->wait()->code, $worker->supervised(), $worker->shouldStop()];
    });
    $worker->expose('exit', fn () => Process::fork(fn () => exit(7))->wait()->code);
    $worker->expose('throw', function (): int {
        ini_set('display_errors', '0');
        ini_set('error_log', '/dev/null');
        return Process::fork(fn () => throw new LogicException('in a child'))->wait()->code;
    });
    $worker->expose('kill', fn () => Process::fork(fn () => Signal::send(getmypid(), 'KILL'))->wait()->signalName);
    $worker->run();
    echo "the worker's end\n";
    PHP, ['-d', 'extension=ffi']);
$sidecar->ready();
foreach (['fork', 'exit', 'throw', 'kill', 'fork', 'tasks'] as $method) {
    echo "$method: ", $sidecar->call($method, '[]'), "\n";
}
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
fork: data [5,true,false]
exit: data 7
throw: data 255
kill: data "SIGKILL"
fork: data [5,true,false]
tasks: data 3
out: stopped
out: the worker's end
exit 0
