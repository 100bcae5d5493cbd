<?php

declare(strict_types=1);

// A worker that is there once: its one argument is JSON with the name of its lock.

use RustDaemon\Lock;
use RustDaemon\Worker;

$worker = Worker::install();
$lock = Lock::open(json_decode($argv[1])->lock);
$lock->acquire(0.0) or exit(1);

$worker->expose('guard', fn (): array => [getmypid() === $lock->holder(), $lock->recovered()]);
$worker->expose('wait', fn (string $name): bool => Lock::open($name)->acquire());
exit($worker->run());
