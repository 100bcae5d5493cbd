<?php

declare(strict_types=1);

// A worker that says what happens to it, and knows why the one before it ended.

use RustDaemon\Worker;

$worker = Worker::install();
$say = fn (string $what) => fn () => print("$what\n");
$worker->onStart($say('start'))->onStop($say('stop'))->onPause($say('pause'))->onResume($say('resume'));
$worker->expose('predecessor', fn (): ?array => ($exit = $worker->predecessor) ? get_object_vars($exit) : null);
$worker->expose('hold', fn (string $fifo): string => file_get_contents($fifo));
$worker->expose('progress', function (float $seconds) use ($worker): string {
    for ($end = microtime(true) + $seconds; microtime(true) < $end; usleep(20_000)) {
        $worker->progress(sprintf('%.1f s left', $end - microtime(true)));
    }
    return 'done';
});
$worker->expose('fail', function (): void {
    echo "last words\n";
    try {
        throw new DomainException('the plant is gone');
    } finally {
        exit(3);
    }
});
$worker->expose('grow', fn (int $mib): int => strlen(str_repeat('x', $mib << 20)));
$worker->expose('fatal', fn () => eval('class Twice {} class Twice {}'));
exit($worker->run());
