--TEST--
A fatal error or memory exhaustion in a handler ends the process without a reply
--EXTENSIONS--
rustdaemon
ffi
--ENV--
USE_TRACKED_ALLOC=1
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = <<<'PHP'
    register_shutdown_function(fn () => print "shutdown function\n");
    $worker = RustDaemon\Worker::install();
    $worker->expose('fatal', fn () => trigger_error('fatal', E_USER_ERROR));
    $worker->expose('memory', function () {
        $all = [];
        while (true) {
            $all[] = str_repeat('x', 1 << 20);
        }
    });
    $worker->expose('encoding', function () {
        $text = str_repeat("\x01", 6 << 20);
        return $text;
    });
    $worker->run();
    echo "returned\n";
    PHP;
foreach (['fatal', 'memory', 'encoding'] as $method) {
    $sidecar = Sidecar::serve($code, [...WITH_USER_ERROR, '-d', 'memory_limit=16M', '-d', 'html_errors=0', '-d', 'log_errors=0', '-d', 'display_errors=1']);
    $sidecar->ready();
    $sidecar->request($method, '[]');
    ob_start();
    $sidecar->end();
    echo preg_replace(['/\d+ bytes/', '~ at \S+:\d+(?= \()~'], ['N bytes', ''], ob_get_clean());
    echo json_encode($sidecar->page()), "\n";
}
?>
--EXPECT--
out: Fatal error: fatal in SCRIPT on line 4
out: shutdown function
exit 255
{"request":1,"served":0}
out: Fatal error: Allowed memory size of N bytes exhausted (tried to allocate N bytes) in SCRIPT on line 8
out: shutdown function
exit 255
{"request":1,"served":0}
out: Fatal error: Allowed memory size of N bytes exhausted (tried to allocate N bytes) in SCRIPT on line 15
out: shutdown function
exit 255
{"request":1,"served":0}
