<?php

declare(strict_types=1);

// ReactPHP's own addSignal(), which is pcntl's, beside Signal::on().

use RustDaemon\Signal;

require __DIR__ . '/loop.php';

$order = [];
$note = function (string $who) use (&$order): Closure {
    return function () use (&$order, $who): void {
        $order[$who] = ($order[$who] ?? 0) + 1;
    };
};
$show = function (string $what) use (&$order): void {
    ksort($order);
    echo "$what: ", json_encode($order), "\n";
    $order = [];
};
$loop = loop(function () use (&$loop, &$wanted, &$order): void {
    if (array_sum($order) >= $wanted) {
        $loop->stop();
    }
});
/** Runs the loop until that many handlers were called for what it sends; the last one is ours, and wakes the loop. */
$run = function (int $calls, string ...$signals) use ($loop, &$wanted): void {
    $wanted = $calls;
    $loop->futureTick(function () use ($signals): void {
        foreach ($signals as $signal) {
            Signal::send(getmypid(), $signal);
        }
    });
    $loop->run();
};

Signal::on('USR1', $note('ours'));
$loop->addSignal(SIGUSR2, $react = $note('react'));
for ($round = 0; $round < 200; $round++) {
    $run(2 * $round + 2, 'USR2', 'USR1');
}
$show('different signals');

$loop->removeSignal(SIGUSR2, $react);
$run(1, 'USR1');
$show('after removeSignal() of the other one');

$loop->addSignal(SIGHUP, $react);
$run(2, 'HUP', 'USR1');
$show('HUP: addSignal()');
Signal::on('HUP', $note('ours, HUP'));
$run(2, 'HUP', 'USR1');
$show('then on()');
Signal::off('HUP');
$run(2, 'HUP', 'USR1');
$show('then off()');
