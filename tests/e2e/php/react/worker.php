<?php

declare(strict_types=1);

// A worker in ReactPHP's loop, which only Worker::stream() and a timer of half a minute wake.

use React\EventLoop\StreamSelectLoop;
use RustDaemon\Request;
use RustDaemon\Worker;

require $argv[1];

$worker = Worker::install()->concurrency(2);
$open = [];
$worker->every(0.02, function () use (&$open): void {
    echo "every\n";
    foreach ($open as $request) {
        $request->reply('by a task');
    }
    $open = [];
});
$worker->after(0.01, fn () => print "after\n");
$worker->expose('later', function () use (&$open): void {
    $open[] = Request::current()->defer();
});

$loop = new StreamSelectLoop();
$loop->addReadStream($worker->stream(), fn () => $worker->tick(0.0) || $loop->stop());
$loop->addTimer(30.0, fn () => exit("slept over something\n"));
$loop->run();
echo "left the loop\n";
