<?php

declare(strict_types=1);

// Four children share a list of work, and report through a stream and their exit codes.
//
//   php -d extension=rustdaemon.so fork_pool.php
//
// Each child asks for its next piece when it is done with one, so a slow piece holds nobody up; one that dies takes
// one piece with it, and the others go on. A connection to a database belongs into onFork(): each child opens its own.

use RustDaemon\Process;

const CHILDREN = 4;

/** The child: takes numbers from the stream until it ends, and writes back what it has found. */
$work = function ($stream): int {
    while (($line = fgets($stream)) !== false) {
        $number = (int) $line;
        if ($number === 13) {
            exit(13);                               // what an unlucky piece of work does
        }
        fwrite($stream, json_encode([$number, array_sum(array_map(sqrt(...), range(1, $number * 1000)))])."\n");
    }
    return 0;
};

$list = range(1, 40);
[$children, $streams, $in_hand, $found, $lost] = [[], [], [], [], []];

for ($i = 0; $i < CHILDREN; $i++) {
    [$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
    $children[$i] = Process::fork(function () use ($work, $theirs, $ours, $streams): int {
        // The parent's ends: who holds one keeps it open. With TLS fclose() would end the parent's connection: unset() it.
        array_map(fclose(...), [...$streams, $ours]);
        return $work($theirs);
    });
    fclose($theirs);
    $streams[$i] = $ours;
}

$give = function (int $child) use (&$list, &$streams, &$in_hand): void {
    $in_hand[$child] = array_shift($list);
    if ($in_hand[$child] === null) {
        stream_socket_shutdown($streams[$child], STREAM_SHUT_WR);   // no more: the child's loop ends
    } else {
        fwrite($streams[$child], $in_hand[$child]."\n");
    }
};
array_map($give, array_keys($streams));

while ($streams !== []) {
    $ready = $streams;
    $write = $except = null;
    stream_select($ready, $write, $except, null);
    foreach ($ready as $stream) {
        $child = array_search($stream, $streams, true);
        $line = fgets($stream);
        if ($line === false) {                      // it has ended
            if ($in_hand[$child] !== null) {
                $lost[] = $in_hand[$child];
            }
            unset($streams[$child]);
            continue;
        }
        [$number, $sum] = json_decode($line, true);
        $found[$number] = $sum;
        $give($child);
    }
}

foreach ($children as $i => $process) {
    $end = $process->wait();
    printf("child %d: %s, %.3f s\n", $i, $end->code === null ? $end->signalName : "exit $end->code", $end->userTime);
}
printf("%d of %d done, lost: %s\n", count($found), count($found) + count($lost), implode(' ', $lost) ?: 'none');
exit($lost === [] ? 0 : 1);
