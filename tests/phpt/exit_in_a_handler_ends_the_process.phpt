--TEST--
exit() in a handler ends the process without a reply, after shutdown functions and destructors
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = <<<'PHP'
    final class Guard
    {
        public function __destruct()
        {
            echo "destructor\n";
        }
    }
    $guard = new Guard();
    register_shutdown_function(fn () => print "shutdown function\n");
    $worker = RustDaemon\Worker::install();
    $worker->expose('exit', fn (int $code) => exit($code));
    $worker->expose('die', fn () => die("dead\n"));
    $worker->expose('late', fn () => new class implements JsonSerializable {
        public function jsonSerialize(): mixed
        {
            exit(4);
        }
    });
    try {
        $worker->run();
        echo "returned\n";
    } catch (Throwable $e) {
        echo "caught\n";
    } finally {
        echo "finally\n";
    }
    PHP;
foreach (['exit' => '[7]', 'die' => '[]', 'late' => '[]'] as $method => $arguments) {
    $sidecar = Sidecar::serve($code);
    $sidecar->ready();
    $sidecar->request($method, $arguments);
    $sidecar->end();
    echo json_encode($sidecar->page()), "\n";
}
?>
--EXPECT--
out: shutdown function
out: destructor
exit 7
{"request":1,"served":0}
out: dead
out: shutdown function
out: destructor
exit 0
{"request":1,"served":0}
out: shutdown function
out: destructor
exit 4
{"request":1,"served":0}
