--TEST--
What onMessage throws is answered and logged like a handler's, no further callback is called, and the worker lives on
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    namespace App;
    final class NoSuchTag extends \LogicException {}
    $worker = \RustDaemon\Worker::install();
    $worker->onMessage(function (string $name, ?array $tags) use ($worker) {
        match ($name) {
            'throw' => throw new NoSuchTag("no tag in /etc/tags.json\nat all"),
            'destructor' => $tags = new class {
                public function __destruct() { throw new \DomainException('too late'); }
            },
            'loop' => $worker->run(),
            'inner' => array_sum('x'),
            default => print "$name\n",
        };
    });
    $worker->onMessage(fn (string $name, mixed $tags) => print "second: $name\n");
    $worker->expose('m', fn () => 'still here');
    $worker->run();
    PHP);
$sidecar->ready();
foreach (['throw', 'destructor', 'loop', 'inner', 'fine'] as $name) {
    echo $sidecar->call('worker.send', "[\"$name\",null]"), "\n";
}
echo $sidecar->call('worker.send', '["type",7]'), "\n";
echo $sidecar->call('m', '[]'), "\n";
$sidecar->drain();
$sidecar->end();
echo "-- what a callback cannot be called with\n";
$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->onMessage('strtoupper');
    $worker->run();
    PHP);
$sidecar->ready();
echo $sidecar->call('worker.send', '["a",null]'), "\n";
$sidecar->drain();
$sidecar->end();
echo "-- nobody hears it\n";
$sidecar = Sidecar::serve('$worker = RustDaemon\Worker::install(); $worker->expose("m", fn () => 1); $worker->run();');
$sidecar->ready();
echo $sidecar->call('worker.send', '["a",null]'), "\n";
echo $sidecar->call('m', '[]'), "\n";
$sidecar->drain();
$sidecar->end();
?>
--EXPECTF--
fault {"class":"NoSuchTag","message":"no tag in [path]\nat all"}
fault {"class":"DomainException","message":"too late"}
fault {"class":"NotAllowedHere","message":"%s cannot be called while a handler of this worker runs: one request at a time"}
fault {"class":"TypeError","message":"array_sum(): Argument #1 ($array) must be of type array, string given"}
data null
fault {"class":"InvalidArgument","message":"argument \"tags\" must be of type ?array, int given"}
data "still here"
out: fine
out: second: fine
err: rustdaemon: onMessage throw threw App\NoSuchTag: no tag in /etc/tags.json at all in SCRIPT:7
err: rustdaemon: onMessage destructor threw DomainException: too late in SCRIPT:9
err: rustdaemon: onMessage loop threw RustDaemon\Exception\NotAllowedHere: %s
err: rustdaemon: onMessage inner threw TypeError: array_sum(): Argument #1 ($array) must be of type array, string given in SCRIPT:12
exit 0
-- what a callback cannot be called with
fault {"class":"InvalidArgument","message":"too many arguments: 2 given, at most 1 expected"}
exit 0
-- nobody hears it
fault {"class":"unhandled_message","message":"this worker has no onMessage() and takes no messages"}
data 1
exit 0
