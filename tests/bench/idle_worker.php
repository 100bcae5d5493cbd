<?php

// `cargo xtask bench footprint`: a worker that nobody asks for anything.

$worker = RustDaemon\Worker::install();
$worker->expose('answer', fn (): string => 'pong');
exit($worker->run());
