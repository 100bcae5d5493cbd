--TEST--
onFork() runs in every child first; a child has random numbers, a standard input and time limits of its own, and dies with its parent
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\{Process, Signal};

require __DIR__ . '/include/sidecar.php';
$said = function (callable $main): array {
    [$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
    $process = Process::fork(fn () => fwrite($theirs, json_encode($main()) . "\n") > 0);
    unset($theirs);
    return [json_decode((string) fgets($ours)), $process->wait()->code];
};
mt_srand(1);
mt_rand();
@lcg_value();
$numbers = fn (): array => [mt_rand(), @lcg_value(), rand(), str_shuffle('abcdefghijklmnopqrstuvwxyz')];
$theirs = $said($numbers)[0];
$ours = $numbers();
foreach ([0 => 'mt_rand', 1 => 'lcg_value', 2 => 'rand', 3 => 'str_shuffle'] as $at => $function) {
    echo "$function: ", $ours[$at] !== $theirs[$at] ? 'different' : 'equal', "\n";
}
echo 'standard input: ', json_encode($said(fn () => [fgets(STDIN), file_get_contents('php://stdin')])[0]), "\n";
// In order, before the child's own, in grandchildren too; the parent's connection is given up, and stays open.
$calls = [];
$connection = new class {
    public function __destruct() { echo getmypid() === PARENT ? 'parent' : 'child', " closes the connection\n"; }
};
define('PARENT', getmypid());
Process::onFork(function () use (&$calls): void { $calls[] = 'first'; });
Process::onFork(function () use (&$calls, &$connection): void {
    $calls[] = 'second';
    $connection = null;
});
echo json_encode($said(function () use (&$calls, &$connection): array { return [...$calls, 'main', $connection === null]; })), ', parent: ', json_encode($calls), "\n";
echo 'grandchild: ', json_encode($said(function () use (&$calls, $said): int {
    return $said(function () use (&$calls): int { return count($calls); })[0];
})[0]), "\n";
Process::onFork(fn () => getenv('THROW') && throw new RuntimeException('no database'));
putenv('THROW=1');
ini_set('error_log', '/dev/null');
ini_set('display_errors', '0');
echo 'one that throws: ', Process::fork(fn () => print "never\n")->wait()->code, "\n";
putenv('THROW');
set_time_limit(0);
echo 'a time limit: ', json_encode($said(function (): string {
    set_time_limit(100);
    return ini_get('max_execution_time');
})[0]), ', parent: ', ini_get('max_execution_time'), "\n";
// The grandchild dies with its parent, which is killed.
[$pid] = $said(function (): int {
    $child = Process::fork(function (): void {
        while (true) {
            sleep(60);
        }
    });
    $GLOBALS['kept'] = $child;
    return $child->pid;
});
eventually('the grandchild is gone', fn () => in_array(explode(' ', (string) @file_get_contents("/proc/$pid/stat"))[2] ?? 'gone', ['Z', 'gone'], true));
echo "dead\n";
?>
--EXPECT--
mt_rand: different
lcg_value: different
rand: different
str_shuffle: different
standard input: [false,""]
[["first","second","main",true],0], parent: []
grandchild: 4
one that throws: 255
a time limit: "100", parent: 0
dead
parent closes the connection
