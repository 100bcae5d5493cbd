--TEST--
A worker that has deferred as many requests as it may begins no further one, and hears messages
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::start(<<<'PHP'
    $worker = RustDaemon\Worker::install()->concurrency(2);
    $open = [];
    $worker->expose('later', function (int $number) use (&$open): void {
        $open[$number] = RustDaemon\Request::current()->defer();
    });
    $worker->onMessage(function (string $name, int $number) use (&$open): void {
        $open[$number]->reply($name);
        unset($open[$number]);
    });
    $worker->run();
    PHP);
$sidecar->hello();
$sidecar->go(['version' => 5]);
$sidecar->readyFrame();
$show = function (int $frames) use ($sidecar): void {
    while ($frames-- > 0) {
        [$kind, , $sequence, $payload] = $sidecar->receive();
        echo [19 => 'deferred', Sidecar::REPLY => 'reply to'][$kind], " $sequence", $payload === '' ? '' : " $payload", "\n";
    }
};
$sidecar->together(function (Sidecar $sidecar) {
    foreach (['1', '2', '3'] as $number) {
        $sidecar->request('later', "[$number]");
    }
    $sidecar->request('worker.send', '["answer the second",2]');
});
$show(5);
foreach ([1, 3] as $number) {
    $sidecar->request('worker.send', "[\"answer number $number\",$number]");
    $show(2);
}
$sidecar->drain();
$sidecar->expect(14); // Leaving
$sidecar->end();
?>
--EXPECT--
deferred 1
deferred 2
reply to 2 "answer the second"
reply to 4 null
deferred 3
reply to 1 "answer number 1"
reply to 5 null
reply to 3 "answer number 3"
reply to 6 null
exit 0
