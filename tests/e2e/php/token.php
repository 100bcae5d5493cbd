<?php

declare(strict_types=1);

// A worker whose install() has a token, which it reads from a file: like this it stands in no argument and no variable.
[, $socket, $file] = $argv;
$worker = RustDaemon\Worker::install(socket: $socket, token: file_get_contents($file));
$worker->expose('pid', fn (): int => getmypid());
$worker->run();
