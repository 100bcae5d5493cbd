<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    pcntl_async_signals(true);
    $worker = RustDaemon\Worker::install();
    pcntl_signal(SIGTERM, function () {
        echo "TERM is mine\n";
    });
    register_shutdown_function(fn () => print "shutdown\n");
    var_dump($worker->tick(null), $worker->shouldStop());
    $worker->run();
    PHP);
$sidecar->ready();
$sidecar->signal(15);
$sidecar->signal(2);
$sidecar->end();
?>
