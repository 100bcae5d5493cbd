--TEST--
What a handler leaves behind is freed after the reply; an exception from it is logged
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    final class Loud implements JsonSerializable
    {
        public function jsonSerialize(): mixed
        {
            return 'loud';
        }
        public function __destruct()
        {
            throw new LogicException('from a destructor');
        }
    }
    $worker = RustDaemon\Worker::install();
    $worker->expose('loud', fn () => new Loud());
    $worker->run();
    PHP);
$sidecar->ready();
echo $sidecar->call('loud', '[]'), "\n", $sidecar->call('loud', '[]'), "\n";
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
data "loud"
data "loud"
err: rustdaemon: after a request: LogicException: from a destructor in SCRIPT:10
err: rustdaemon: after a request: LogicException: from a destructor in SCRIPT:10
exit 0
