--TEST--
RUSTDAEMON_LINK leaves the environment, $_ENV and $_SERVER, its descriptors close on exec; RUSTDAEMON_RUN stays
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    $copy = $_SERVER;
    var_dump(isset($_SERVER['RUSTDAEMON_LINK'], $_ENV['RUSTDAEMON_LINK']));
    preg_match_all('/=(\d+):/', getenv('RUSTDAEMON_LINK'), $fds);
    RustDaemon\Worker::install();
    var_dump(getenv('RUSTDAEMON_LINK'), isset(getenv()['RUSTDAEMON_LINK']));
    var_dump(isset($_SERVER['RUSTDAEMON_LINK']), isset($_ENV['RUSTDAEMON_LINK']), isset($copy['RUSTDAEMON_LINK']));
    var_dump(filter_input(INPUT_SERVER, 'RUSTDAEMON_LINK'), filter_input(INPUT_ENV, 'RUSTDAEMON_LINK'));
    var_dump(getenv('RUSTDAEMON_RUN'), $_SERVER['RUSTDAEMON_RUN'], $_ENV['RUSTDAEMON_RUN']);
    echo exec('echo LINK=$RUSTDAEMON_LINK RUN=$RUSTDAEMON_RUN'), "\n";
    foreach ($fds[1] as $fd) {
        echo exec("test -e /proc/self/fd/$fd && echo open || echo closed"), "\n";
    }
    PHP, ['-d', 'variables_order=EGPCS']);
$sidecar->end();
?>
--EXPECT--
out: bool(true)
out: bool(false)
out: bool(false)
out: bool(false)
out: bool(false)
out: bool(true)
out: NULL
out: NULL
out: string(6) "test/0"
out: string(6) "test/0"
out: string(6) "test/0"
out: LINK= RUN=test/0
out: closed
out: closed
out: closed
exit 0
