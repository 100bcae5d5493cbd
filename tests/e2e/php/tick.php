<?php

declare(strict_types=1);

// A loop of one's own.

$worker = RustDaemon\Worker::install(...json_decode($argv[1] ?? '{}', true, flags: JSON_THROW_ON_ERROR));
$turns = 0;
$worker->expose('turns', function () use (&$turns): int {
    return $turns;
});
while ($worker->tick(0.01)) {
    $turns++;
}
echo "left the loop\n";
