--TEST--
Worker::stream() is readable exactly while tick(0.0) has something to do
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    use RustDaemon\Signal;
    use RustDaemon\Worker;

    /** How the stream is, now or within that time. */
    function is(Worker $worker, int $seconds = 0): string
    {
        [$read, $none] = [[$worker->stream()], null];
        return @stream_select($read, $none, $none, $seconds) === 0 ? 'quiet' : 'readable';
    }

    $worker = Worker::install();
    $served = 0;
    $worker->expose('note', function () use (&$served) {
        $served++;
    });
    var_dump(get_resource_type($worker->stream()), $worker->stream() === $worker->stream());
    echo 'before the first tick: ', is($worker), "\n";
    var_dump($worker->tick(0.0)); // says ready; the first one may have come by its end
    while ($served < 2) {
        if (is($worker, 10) === 'quiet') {
            exit("slept over a request\n");
        }
        $worker->tick(0.0);
    }
    echo 'after both: ', is($worker), "\n";

    Signal::on('USR1', fn () => print "handler\n");
    Signal::send(getmypid(), 'USR1');
    echo 'a signal that was handled before: ', is($worker), "\n";
    $worker->tick(0.0);
    echo 'after a tick: ', is($worker), "\n";

    $worker->after(0.0, fn () => print "task\n");
    echo 'a task that is due: ', is($worker), "\n";
    $worker->tick(0.0);
    $worker->after(0.05, fn () => print "task\n");
    echo 'one that is due soon: ', is($worker), ', then ', is($worker, 10), "\n";
    $worker->tick(0.0);
    $worker->every(3600.0, fn () => print "task\n");
    echo 'in an hour: ', is($worker), "\n";

    $before = $worker->stream();
    fclose($before);
    echo 'closed and made again: ', is($worker), ', ', $before === $worker->stream() ? 'the same' : 'another', "\n";

    $worker->expose('done', fn () => 0)->ready();
    echo 'a drain: ', is($worker, 10), "\n";
    var_dump($worker->tick(0.0));
    echo 'after the stop: ', is($worker), "\n";
    var_dump($worker->tick(0.0));
    PHP);
$sidecar->ready();
$sidecar->together(function (Sidecar $sidecar): void {
    $sidecar->request('note', '[1]');
    $sidecar->request('note', '[2]');
});
echo $sidecar->reply(1), ' ', $sidecar->reply(2), "\n";
$sidecar->ready(); // with tasks
$sidecar->ready(); // with done
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
data null data null
out: string(6) "stream"
out: bool(true)
out: before the first tick: readable
out: bool(true)
out: after both: quiet
out: handler
out: a signal that was handled before: readable
out: after a tick: quiet
out: a task that is due: readable
out: task
out: one that is due soon: quiet, then readable
out: task
out: in an hour: quiet
out: closed and made again: quiet, another
out: a drain: readable
out: bool(false)
out: after the stop: quiet
out: bool(false)
exit 0
