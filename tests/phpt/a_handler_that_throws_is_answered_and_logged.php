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
echo json_encode($sidecar->page()), "\n";
$sidecar->drain();
$sidecar->end();
?>
