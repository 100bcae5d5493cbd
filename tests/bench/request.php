<?php

// `cargo xtask bench request`: a worker that answers with what it was given.

$worker = RustDaemon\Worker::install();
$worker->expose('echo', fn (mixed ...$args): array => $args);
exit($worker->run());
