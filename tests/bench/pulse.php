<?php

// `cargo xtask bench pulse`: a worker inside a native call for as long as nobody opens the FIFO for writing. Arguments:
// `busy` or not: only who is busy has a pulse; the FIFO.

$worker = RustDaemon\Worker::install();
$worker->ready();
if ($argv[1] === 'busy') {
    $worker->busy('reads a FIFO');
}
file_get_contents($argv[2]);
