--TEST--
Handlers, their objects and their cycles live as long as the worker, and are freed at the end
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    final class Holder
    {
        public ?RustDaemon\Worker $worker = null;
        public function __construct(private string $name)
        {
        }
        public function name(): string
        {
            return $this->name;
        }
        public function __destruct()
        {
            echo "freed $this->name\n";
        }
    }
    (function () {
        $worker = RustDaemon\Worker::install();
        $holder = new Holder('cycle');
        $holder->worker = $worker;
        $worker->expose('cycle', [$holder, 'name']);
        $worker->expose('closure', (function () {
            $other = new Holder('closure');
            return fn () => $other->name();
        })());
        $worker->expose('collect', fn () => gc_collect_cycles());
    })();
    gc_collect_cycles();
    RustDaemon\Worker::install()->run();
    echo "end\n";
    PHP);
$sidecar->ready();
echo $sidecar->call('collect', '[]'), ' ', $sidecar->call('cycle', '[]'), ' ', $sidecar->call('closure', '[]'), "\n";
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
data 0 data "cycle" data "closure"
out: end
out: freed cycle
out: freed closure
exit 0
