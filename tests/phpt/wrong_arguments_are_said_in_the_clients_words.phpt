--TEST--
Wrong arguments are refused in the client's words, without PHP's names; the handler does not run
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$sidecar = Sidecar::serve(<<<'PHP'
    namespace App\Secret;
    enum Suit
    {
        case Hearts;
    }
    final class Plc
    {
        public function read(string $node, int $attribute = 13): void
        {
            echo "ran\n";
        }
    }
    $worker = \RustDaemon\Worker::install();
    $worker->expose('read', [new Plc(), 'read']);
    $worker->expose('typed', function (int|string $a, ?float $b = null, Suit|Plc|null $c = null) { echo "ran\n"; });
    $worker->expose('numbers', function (int ...$numbers) { echo "ran\n"; });
    $worker->expose('length', 'strlen')->expose('most', 'max');
    $worker->run();
    PHP);
$sidecar->ready();
$calls = [
    ['read', '[]'], ['read', '{}'], ['read', '{"attribute":1}'], ['read', '["a",{}]'], ['read', '["a","x"]'], ['read', '{"node":[]}'],
    ['read', '{"node":"a","atribute":1}'], ['read', '{"0":"a"}'], ['read', '{"":"a"}'], ['read', '[null]'],
    ['read', '5'], ['read', '"a"'], ['read', 'null'], ['read', 'true'],
    ['read', '['], ['read', '{"a":1,}'], ['read', "[\"\xFF\"]"], ['read', '[' . str_repeat('[', 512) . str_repeat(']', 512) . ']'],
    ['read', "[\"a\"]\0"], ['read', '[1] x'],
    ['typed', '[1, "x"]'], ['typed', '[1, [1]]'], ['typed', '[1, 2, 3]'], ['typed', '[[]]'],
    ['numbers', '[1,"b"]'], ['numbers', '{"x":"b"}'],
    ['length', '[]'], ['length', '["a","b"]'], ['length', '[[]]'], ['length', '{"str":"a"}'], ['most', '[]'],
];
foreach ($calls as [$method, $arguments]) {
    $shown = strlen($arguments) > 40 ? substr($arguments, 0, 5) . '...' : preg_replace('/[\x00\xFF]/', '?', $arguments);
    echo $method, $shown, ' ', $sidecar->call($method, $arguments), "\n";
}
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
read[] fault {"class":"InvalidArgument","message":"missing argument \"node\""}
read{} fault {"class":"InvalidArgument","message":"missing argument \"node\""}
read{"attribute":1} fault {"class":"InvalidArgument","message":"missing argument \"node\""}
read["a",{}] fault {"class":"InvalidArgument","message":"argument \"attribute\" must be of type int, array given"}
read["a","x"] fault {"class":"InvalidArgument","message":"argument \"attribute\" must be of type int, string given"}
read{"node":[]} fault {"class":"InvalidArgument","message":"argument \"node\" must be of type string, array given"}
read{"node":"a","atribute":1} fault {"class":"InvalidArgument","message":"unknown argument \"atribute\""}
read{"0":"a"} fault {"class":"InvalidArgument","message":"unknown argument \"0\""}
read{"":"a"} fault {"class":"InvalidArgument","message":"unknown argument \"\""}
read[null] fault {"class":"InvalidArgument","message":"argument \"node\" must be of type string, null given"}
read5 fault {"class":"InvalidArgument","message":"arguments must be a list or an object"}
read"a" fault {"class":"InvalidArgument","message":"arguments must be a list or an object"}
readnull fault {"class":"InvalidArgument","message":"arguments must be a list or an object"}
readtrue fault {"class":"InvalidArgument","message":"arguments must be a list or an object"}
read[ fault {"class":"InvalidArgument","message":"arguments are not valid JSON: Syntax error"}
read{"a":1,} fault {"class":"InvalidArgument","message":"arguments are not valid JSON: Syntax error"}
read["?"] fault {"class":"InvalidArgument","message":"arguments are not valid JSON: Malformed UTF-8 characters, possibly incorrectly encoded"}
read[[[[[... fault {"class":"InvalidArgument","message":"arguments are not valid JSON: Maximum stack depth exceeded"}
read["a"]? fault {"class":"InvalidArgument","message":"arguments are not valid JSON: Control character error, possibly incorrectly encoded"}
read[1] x fault {"class":"InvalidArgument","message":"arguments are not valid JSON: Syntax error"}
typed[1, "x"] fault {"class":"InvalidArgument","message":"argument \"b\" must be of type ?float, string given"}
typed[1, [1]] fault {"class":"InvalidArgument","message":"argument \"b\" must be of type ?float, array given"}
typed[1, 2, 3] fault {"class":"InvalidArgument","message":"argument \"c\" must be of type Suit|Plc|null, int given"}
typed[[]] fault {"class":"InvalidArgument","message":"argument \"a\" must be of type string|int, array given"}
numbers[1,"b"] fault {"class":"InvalidArgument","message":"argument 2 must be of type int, string given"}
numbers{"x":"b"} fault {"class":"InvalidArgument","message":"argument 1 must be of type int, string given"}
length[] fault {"class":"InvalidArgument","message":"missing argument \"string\""}
length["a","b"] fault {"class":"InvalidArgument","message":"too many arguments: 2 given, at most 1 expected"}
length[[]] fault {"class":"InvalidArgument","message":"argument \"string\" must be of type string, array given"}
length{"str":"a"} fault {"class":"InvalidArgument","message":"unknown argument \"str\""}
most[] fault {"class":"InvalidArgument","message":"missing argument \"value\""}
exit 0
