--TEST--
A TypeError from the handler's own code is its exception, not the client's mistake
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    function helper(int $x): int
    {
        return $x;
    }
    $worker = RustDaemon\Worker::install();
    $worker->expose('helper', fn (string $text) => helper($text));
    $worker->expose('opcode', fn (array $list) => strlen($list));
    $worker->expose('count', fn () => helper());
    $worker->expose('mapped', fn (string $text) => array_map('helper', [$text]));
    function wrong(): int { return 'text'; }
    $worker->expose('return', wrong(...));
    $worker->expose('named', fn () => helper(unknown: 1));
    $worker->run();
    PHP);
$sidecar->ready();
foreach (['helper' => '["a"]', 'opcode' => '[[1]]', 'count' => '[]', 'mapped' => '["a"]', 'return' => '[]', 'named' => '[]'] as $method => $arguments) {
    echo preg_replace('/called in.*?on line \d+/', 'called in X', $sidecar->call($method, $arguments)), "\n";
}
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
fault {"class":"TypeError","message":"helper(): Argument #1 ($x) must be of type int, string given, called in X"}
fault {"class":"TypeError","message":"strlen(): Argument #1 ($string) must be of type string, array given"}
fault {"class":"ArgumentCountError","message":"Too few arguments to function helper(), 0 passed in [path] on line 9 and exactly 1 expected"}
fault {"class":"TypeError","message":"helper(): Argument #1 ($x) must be of type int, string given"}
fault {"class":"TypeError","message":"wrong(): Return value must be of type int, string returned"}
fault {"class":"Error","message":"Unknown named parameter $unknown"}
err: rustdaemon: helper threw TypeError: helper(): Argument #1 ($x) must be of type int, string given, called in SCRIPT on line 7 in SCRIPT:2
err: rustdaemon: opcode threw TypeError: strlen(): Argument #1 ($string) must be of type string, array given in SCRIPT:8
err: rustdaemon: count threw ArgumentCountError: Too few arguments to function helper(), 0 passed in SCRIPT on line 9 and exactly 1 expected in SCRIPT:2
err: rustdaemon: mapped threw TypeError: helper(): Argument #1 ($x) must be of type int, string given in SCRIPT:2
err: rustdaemon: return threw TypeError: wrong(): Return value must be of type int, string returned in SCRIPT:11
err: rustdaemon: named threw Error: Unknown named parameter $unknown in SCRIPT:13
exit 0
