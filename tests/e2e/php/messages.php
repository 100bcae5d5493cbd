<?php

declare(strict_types=1);

// A worker that hears messages and tells what it has heard: in run(), or with {"own": true} in a loop of its own.

use RustDaemon\Worker;

$options = json_decode($argv[1], true, flags: JSON_THROW_ON_ERROR);
$worker = Worker::install();
$heard = [];
$worker->onMessage(function (string $name, mixed $payload) use (&$heard, $worker): void {
    $heard[] = [$name, is_string($payload) && strlen($payload) > 100 ? strlen($payload) : $payload];
    echo "$worker->name#$worker->slot heard $name\n";
    match ($name) {
        'hold' => file_get_contents($payload),
        'throw' => throw new DomainException("no such tag: $payload"),
        'exit' => exit($payload),
        default => null,
    };
});
if ($options['own'] ?? false) {
    while (!$worker->shouldStop()) {
        $worker->sleep(600.0);
        echo "a turn\n";
    }
    echo "stopped\n";
    exit(0);
}
$worker->expose('heard', function () use (&$heard): array {
    return $heard;
});
$worker->expose('hold', function (string $fifo): string {
    file_get_contents($fifo);
    return 'held';
});
exit($worker->run());
