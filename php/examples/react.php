<?php

declare(strict_types=1);

use React\EventLoop\StreamSelectLoop;
use React\Socket\ConnectionInterface;
use React\Socket\Connector;
use RustDaemon\Request;
use RustDaemon\Worker;

// One worker, fifty slow devices at once: handlers only begin, ReactPHP's event loop answers.
//
// composer require react/event-loop react/socket
// php -d extension=rustdaemon.so react.php /tmp/react.sock vendor/autoload.php
// echo '{"id":1,"t":"req","method":"device.ask","args":["tcp://192.168.0.7:9100","TEMP?"]}' | nc -N -U /tmp/react.sock
require $argv[2];

$worker = Worker::install(socket: $argv[1])->concurrency(50);
$loop = new StreamSelectLoop(); // or any other one
$devices = new Connector($loop, ['timeout' => 10.0]);

$worker->expose('device.ask', static function (string $uri, string $question) use ($devices, $loop): void {
    $request = Request::current()->defer();
    $devices->connect($uri)->then(static function (ConnectionInterface $device) use ($request, $question, $loop): void {
        $answer = '';
        $device->on('data', static function (string $data) use (&$answer): void {
            $answer .= $data;
        });
        $silent = $loop->addTimer(20.0, $device->close(...));
        $device->on('close', static function () use (&$answer, $request, $loop, $silent): void {
            $loop->cancelTimer($silent);
            $request->reply(rtrim($answer));
        });
        $device->write("$question\n");
    }, $request->fail(...));
});

$loop->addReadStream($worker->stream(), static function () use ($worker, $loop): void {
    $worker->tick(0.0) || $loop->stop();        // without the extension tasks of every() want a timer that does so too
});
$loop->run();
