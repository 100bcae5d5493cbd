<?php

// `cargo xtask bench restart`: a worker with something to load. Arguments: a directory of PHP files; where to say, right
// after install(), that it is up, when there is no sidecar.

use RustDaemon\Worker;

foreach (glob($argv[1].'/*.php') as $file) {
    require $file;
}
$worker = Worker::install();
if (!$worker->supervised()) {
    file_put_contents($argv[2], 'up '.getmypid()."\n");
    sleep($argv[2] === 'php://stdout' ? 0 : 3600); // nobody restarts the bare one
    exit;
}
$worker->expose('answer', fn (): string => 'pong');
exit($worker->run());
