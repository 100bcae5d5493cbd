<?php

declare(strict_types=1);

use RustDaemon\Lock;
use RustDaemon\Worker;

// Consumers of a queue in Redis: they fetch the pages whose addresses they find there. No job is lost.
//
//   rustdaemon run --socket /tmp/queue.sock --workers 4 -- \
//       php -d extension=rustdaemon.so queue.php /run/redis/redis-server.sock
//   redis-cli -s /run/redis/redis-server.sock lpush pages https://www.php.net/
//   redis-cli -s /run/redis/redis-server.sock hgetall pages:bytes
//
// A job stays in a list of this worker's place until it is done; whoever has the place after a kill -9 does it again. A
// stop waits for the job in hand, and for as long as BRPOPLPUSH waits, which no signal ends. Without Redis a worker ends
// with an exception, and is started again, later each time.
$worker = Worker::install();
$redis = new Redis();
$redis->connect($argv[1]);
$mine = "pages:taken:$worker->slot";

$worker->ready();                                       // a reload ends the one before in this place after that, and it
$lock = Lock::open(md5("$argv[1] $mine"));              // may have a job in hand: wait for its end, or for a stop
$lock->acquire();
while (!$worker->shouldStop()) {
    $page = $redis->lIndex($mine, 0);                   // left by one that was killed
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
