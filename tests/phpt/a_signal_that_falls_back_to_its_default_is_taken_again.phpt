--TEST--
pcntl_signal(SIGTERM, SIG_DFL), as Symfony leaves it behind, does not make TERM kill a worker; Signal::default() does
--EXTENSIONS--
rustdaemon
ffi
pcntl
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = <<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->expose('nested', function (): string {
        pcntl_async_signals(true);
        pcntl_signal(SIGTERM, fn () => print "never\n");
        pcntl_signal(SIGTERM, SIG_DFL);
        return 'TERM is back at its default';
    });
    $worker->expose('given', function (): string {
        RustDaemon\Signal::default('TERM');
        return 'given back';
    });
    $worker->expose('callable', function (): string {
        pcntl_async_signals(true);
        pcntl_signal(SIGTERM, function () {
            echo "the script's own\n";
        });
        return 'a callable wins';
    });
    $worker->expose('echo', fn () => 'pong');
    register_shutdown_function(fn () => print "shutdown\n");
    exit($worker->run());
    PHP;
foreach (['nested', 'given', 'callable'] as $method) {
    $sidecar = Sidecar::serve($code);
    $sidecar->ready();
    echo $sidecar->call($method, '[]'), "\n", $sidecar->call('echo', '[]'), "\n";
    $sidecar->signal(15);
    if ($method === 'callable') {
        echo $sidecar->call('echo', '[]'), "\n";
        $sidecar->drain();
    }
    $sidecar->end();
}
?>
--EXPECT--
data "TERM is back at its default"
data "pong"
out: shutdown
exit 0
data "given back"
data "pong"
killed by 15
data "a callable wins"
data "pong"
data "pong"
out: the script's own
out: shutdown
exit 0
