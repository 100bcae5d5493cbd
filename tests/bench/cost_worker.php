<?php

// Peer of `cargo xtask bench signal-cost`: RustDaemon\Signal in a Worker, which has stop signals to look after. Arguments as
// of cost_rustdaemon.php.

RustDaemon\Worker::install();
require __DIR__ . '/cost_rustdaemon.php';
