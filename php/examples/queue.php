<?php

declare(strict_types=1);

use RustDaemon\Worker;

// A consumer of a queue in Redis: fetches the pages whose addresses it finds there. No job is lost, whoever is killed.
//
//   rustdaemon run --socket /tmp/queue.sock --workers 4 -- \
//       php -d extension=rustdaemon.so queue.php /run/redis/redis-server.sock
//   redis-cli -s /run/redis/redis-server.sock lpush pages https://www.php.net/
//   redis-cli -s /run/redis/redis-server.sock hgetall pages:bytes
//
// A job stays in a list of this worker's place until it is done. A stop waits for the job in hand, and for as long as
// BRPOPLPUSH waits, which no signal ends. Without Redis the worker ends with an exception, and is started again, later
// each time.
$worker = Worker::install();
$redis = new Redis();
$redis->connect($argv[1]);                              // behind the gate: the one before has ended, or has another slot
$mine = "pages:taken:$worker->slot";

while (!$worker->shouldStop()) {
    $page = $redis->lIndex($mine, 0);                   // left by the one before, which was killed
    if ($page === false) {
        $page = $redis->brpoplpush('pages', $mine, 1);  // false: nothing for 1 s
    }
    if ($page !== false) {
        $worker->busy("fetch $page");
        $redis->hSet('pages:bytes', $page, strlen((string) file_get_contents($page)));
        $redis->lPop($mine);
        $worker->idle();
    }
}
