<?php

declare(strict_types=1);

// A job that ends the process, after an exception that was caught: `at` says whether it was thrown before the job or in it.

$options = json_decode($argv[1], true);
$worker = RustDaemon\Worker::install();
$worker->ready();
$catch = static function (): void {
    try {
        throw new DomainException('not in the cache');
    } catch (DomainException) {
    }
};
$options['at'] === 'before' && $catch();
$worker->busy('import');
$options['at'] === 'in' && $catch();
exit(12);
