--TEST--
What no handler is exposed for reaches the one under *, with its name and its arguments
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::start(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->expose('add', fn (int $a, int $b) => $a + $b);
    $worker->expose('*', function (string $method, array $args) {
        $request = RustDaemon\Request::current();
        if ($method === 'throw') {
            throw new DomainException('not here');
        }
        return [$method, $args, $request->method === $method, $request->args === $args];
    }, 'All else.');
    exit($worker->run());
    PHP);
$sidecar->hello();
$sidecar->go();
echo json_encode($sidecar->ready()), "\n";
echo $sidecar->call('add', '[1,2]'), "\n";
echo $sidecar->call('sub', '[1,2]'), "\n";
echo $sidecar->call('é "x"', ' {"b":[],"7":1.5} '), "\n";
echo $sidecar->call('none', '[]'), "\n";
echo $sidecar->call('*', '[]'), "\n";
echo $sidecar->call('broken', '[nul]'), "\n";
echo $sidecar->call('throw', '[]'), "\n";
echo $sidecar->call('add', '[1]'), "\n";
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
[{"name":"add","idempotent":false},{"name":"*","description":"All else.","idempotent":false}]
data 3
data ["sub",[1,2],true,true]
data ["é \"x\"",{"b":[],"7":1.5},true,true]
data ["none",[],true,true]
data ["*",[],true,true]
fault {"class":"InvalidArgument","message":"arguments are not valid JSON: Syntax error"}
fault {"class":"DomainException","message":"not here"}
fault {"class":"InvalidArgument","message":"missing argument \"b\""}
err: rustdaemon: throw threw DomainException: not here in SCRIPT:7
exit 0
