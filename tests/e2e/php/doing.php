<?php

// A worker that gets stuck in every way there is, each on a line of its own.

declare(strict_types=1);

use RustDaemon\Signal;
use RustDaemon\Worker;

final class Plc
{
    public function poll(): never
    {
        while (true) {
            $this->value = hrtime(true);
        }
    }

    public int $value = 0;
}

$worker = Worker::install();
$worker->expose('read', fn (string $path) => file_get_contents($path));
$worker->expose('exec', fn () => exec('sleep 600'));
$worker->expose('lock', fn (string $path) => flock(fopen($path, 'r'), LOCK_EX));
$worker->expose('hash', fn () => hash_pbkdf2('sha256', 'a', 'b', PHP_INT_MAX >> 16));
$worker->expose('nap', fn () => sleep(600));
$worker->expose('loop', fn () => (new Plc())->poll());
$worker->expose('sleep', fn () => $worker->sleep(600.0));
$worker->expose('wait', fn () => Signal::wait(600.0, 'USR1'));
$worker->expose('import', function (string $path) use ($worker): void {
    $worker->busy('import of 3 rows');
    $worker->progress('row 2');
    file_get_contents($path);
});
exit($worker->run());
