--TEST--
A child runs one callable: what it returns, exit(), an exception, a fatal error or exhausted memory is its code
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--INI--
display_errors=1
log_errors=0
html_errors=0
--FILE--
<?php
use RustDaemon\Process;

error_reporting(E_ALL & ~E_DEPRECATED); // E_USER_ERROR is deprecated since 8.4
ob_implicit_flush();
final class Job
{
    public function __construct(private int $code) {}
    public function run(): int { return $this->code; }
    public static function seven(): int { return 7; }
    public function __invoke(): int { return 9; }
}
$mains = [
    'nothing' => function (): void {},
    'null' => fn () => null,
    'an int' => fn () => 3,
    'true' => fn () => true,
    'false' => fn () => false,
    'a string' => fn () => '5',
    'the largest' => fn () => 255,
    'a method' => [new Job(8), 'run'],
    'a static method' => 'Job::seven',
    'an invokable' => new Job(0),
    'a first-class callable' => (new Job(11))->run(...),
    'exit' => function (): void { exit(4); },
    'exit deeper' => fn () => array_map(fn () => exit(6), [1, 2]),
    'exit with a text' => function (): void { exit("bye\n"); },
    'an exception' => fn () => throw new LogicException('thrown in a child'),
    'a fatal error' => fn () => trigger_error('fatal in a child', E_USER_ERROR),
    'an internal function' => 'pi',
];
foreach ($mains as $what => $main) {
    $end = Process::fork($main)->wait();
    echo "$what: ", json_encode([$end->code, $end->signal, $end->known]), "\n";
}
ini_set('memory_limit', '20M');
ob_start();
$end = Process::fork(function (): void {
    ob_implicit_flush();
    str_repeat('x', 100_000_000);
    echo "never\n";
})->wait();
ob_end_clean();
echo "out of memory: $end->code\n";
?>
--EXPECTF--
nothing: [0,null,true]
null: [0,null,true]
an int: [3,null,true]
true: [0,null,true]
false: [1,null,true]
a string: [0,null,true]
the largest: [255,null,true]
a method: [8,null,true]
a static method: [7,null,true]
an invokable: [9,null,true]
a first-class callable: [11,null,true]
exit: [4,null,true]
exit deeper: [6,null,true]
bye
exit with a text: [0,null,true]

Fatal error: Uncaught LogicException: thrown in a child in %s:%d
Stack trace:
#0 [internal function]: {closure%S}()
#1 %s(%d): RustDaemon\Process::fork(Object(Closure))
#2 {main}
  thrown in %s on line %d
an exception: [255,null,true]

Fatal error: fatal in a child in %s on line %d
a fatal error: [255,null,true]
an internal function: [0,null,true]

Fatal error: Allowed memory size of 20971520 bytes exhausted%s(tried to allocate %d bytes) in %s on line %d
out of memory: 255
