<?php

// fake_worker's methods, as far as tests/fixtures calls them.

class Boom extends Exception
{
}

$worker = RustDaemon\Worker::install();
$worker->expose('echo', fn (mixed ...$arguments) => $arguments);
$worker->expose('fault', fn () => throw new Boom('it went wrong'));
$worker->expose('subtract', fn (int $minuend, int $subtrahend) => $minuend - $subtrahend);
$worker->expose('sum', fn (int ...$numbers) => array_sum($numbers));
$worker->expose('get_data', fn () => ['hello', 5]);
$worker->run();
