<?php

declare(strict_types=1);

use RustDaemon\Worker;

// The loop of "Creating daemons in PHP", without what was hard about it: no ticks, no pcntl_signal(), no file that says
// stop, no memmon beside supervisord.
//
//   mkdir /tmp/spool
//   rustdaemon run --socket /tmp/classic.sock --memory-soft 50MiB -- php -d extension=rustdaemon.so classic.php /tmp/spool
//   echo one two three > /tmp/spool/1.job
//
// Stop it with Ctrl-C, TERM or `rustdaemon stop`: the job in hand is finished, the rest of the batch is left. Over 50 MiB
// the sidecar asks for the same, and starts it anew. Kill it, and the job that it had in hand is done again.
const JOBS = 1000;                                      // then a new process; with an empty queue after a tenth of them

$worker = Worker::install();                            // one: two would take the same files
[$done, $seen, $young] = [0, [], true];
$worker->after(6.0, function () use (&$young): void {   // who ends within short_run, 5 s, counts as one that fails
    $young = false;
});
$worker->ready();                                       // a loop of its own says so once
while (!$worker->shouldStop()) {
    foreach (glob("$argv[1]/*.job") as $file) {         // a batch
        if ($worker->shouldStop() || ($done >= JOBS && !$young)) {
            break 2;
        }
        $worker->busy(basename($file));                 // in `rustdaemon status`; more than hang_timeout is reported
        $seen[] = $text = file_get_contents($file);     // it leaks, as code does that was written for requests
        echo basename($file), ': ', str_word_count($text), " words\n";
        unlink($file);                                  // at its end, not before
        $worker->idle();
        $done++;
    }
    if ($done >= JOBS / 10 && !$young) {                // the queue is empty: nobody waits for the new one
        break;
    }
    $worker->sleep(1.0);                                // ends at once when there is reason to stop
}
echo "jobs done: $done\n";
