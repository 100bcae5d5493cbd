--TEST--
An exception is answered with short class and cleaned message, logged whole, and the worker lives on
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    namespace App\Plc;
    final class ConnectionLost extends \RuntimeException
    {
        public function __destruct()
        {
            echo "freed\n";
        }
    }
    $worker = \RustDaemon\Worker::install();
    $worker->expose('lost', fn (string $message) => throw new ConnectionLost($message));
    $worker->expose('anonymous', fn () => throw new class ('from nowhere') extends \Exception {});
    $worker->expose('error', fn () => intdiv(1, 0));
    $worker->expose('fine', fn () => 'still here');
    $worker->expose('finally', function () {
        try {
            throw new \LogicException('first');
        } finally {
            throw new \DomainException("second\nline");
        }
    });
    $worker->run();
    PHP);
$sidecar->ready();
echo $sidecar->call('lost', '["cannot read /var/www/app/.env from opc.tcp://10.0.0.1:4840/x"]'), "\n";
echo $sidecar->call('lost', json_encode([str_repeat('x', 498) . 'éé'])), "\n";
echo $sidecar->call('lost', '[""]'), "\n";
echo $sidecar->call('anonymous', '[]'), "\n";
echo $sidecar->call('error', '[]'), "\n";
echo $sidecar->call('finally', '[]'), "\n";
echo $sidecar->call('fine', '[]'), "\n";
$sidecar->drain();
$sidecar->end();
echo json_encode($sidecar->page()), "\n";
?>
--EXPECT--
fault {"class":"ConnectionLost","message":"cannot read [path] from [url]"}
fault {"class":"ConnectionLost","message":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxé..."}
fault {"class":"ConnectionLost","message":""}
fault {"class":"Exception@anonymous","message":"from nowhere"}
fault {"class":"DivisionByZeroError","message":"Division by zero"}
fault {"class":"DomainException","message":"second\nline"}
data "still here"
out: freed
out: freed
out: freed
err: rustdaemon: lost threw App\Plc\ConnectionLost: cannot read /var/www/app/.env from opc.tcp://10.0.0.1:4840/x in SCRIPT:11
err: rustdaemon: lost threw App\Plc\ConnectionLost: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxéé in SCRIPT:11
err: rustdaemon: lost threw App\Plc\ConnectionLost:  in SCRIPT:11
err: rustdaemon: anonymous threw Exception@anonymous: from nowhere in SCRIPT:12
err: rustdaemon: error threw DivisionByZeroError: Division by zero in SCRIPT:13
err: rustdaemon: finally threw DomainException: second line in SCRIPT:19
exit 0
{"request":0,"served":7}
