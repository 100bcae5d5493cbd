<?php

declare(strict_types=1);

use RustDaemon\Counter;
use RustDaemon\Lock;
use RustDaemon\Signal;

// php -d extension=rustdaemon.so once.php      in two terminals: the second one ends at once, with code 1
// kill -9 the first one, and it can be started again; rustdaemon shm list shows what is left of it
$lock = Lock::open('once');
if (!$lock->acquire(0.0)) {
    fwrite(STDERR, "once.php runs already, as process {$lock->holder()}\n");
    exit(1);
}
if ($lock->recovered()) {
    echo "the one before did not come to its end: clean up what it left half done\n";
}

$turns = Counter::open('once.turns');
while (!Signal::stopRequested()) {
    echo "turn {$turns->add()}\n";
    Signal::wait(1.0, 'USR1');
}
$lock->release();
