<?php

declare(strict_types=1);

use RustDaemon\Worker;

// php -d extension=rustdaemon.so hello.php /tmp/hello.sock
// echo '{"id":1,"t":"req","method":"hello","args":["Anna"]}' | nc -N -U /tmp/hello.sock
$worker = Worker::install(socket: $argv[1]);
$worker->expose('hello', static fn (string $name = 'world'): string => "Hello, $name!");

exit($worker->run());
