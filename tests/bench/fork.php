<?php

// `cargo xtask bench fork`: a fork and a wait, by Process and by pcntl, in turn. Arguments: strings, objects or growth; MB
// of them; how often. Prints JSON: the median microseconds of each and the page faults of each one's child, or what 10 000
// forks have left.

use RustDaemon\Process;

final class Row
{
    public function __construct(public int $id, public string $name, public float $value) {}
}

[, $kind, $megabytes, $times] = $argv;
ini_set('memory_limit', -1);
$ours = function (): void {
    Process::fork(function (): void {})->wait();
};
$theirs = function (): void {
    $pid = pcntl_fork();
    if ($pid === 0) {
        posix_kill(getmypid(), SIGKILL);
    }
    pcntl_waitpid($pid, $status);
};
if ($kind === 'growth') {
    $seen = function (): array {
        gc_collect_cycles();
        preg_match('/VmRSS:\s*(\d+)/', file_get_contents('/proc/self/status'), $resident);
        $children = trim(file_get_contents('/proc/self/task/'.getmypid().'/children'));
        return [
            'descriptors' => count(scandir('/proc/self/fd')),
            'zombies' => $children === '' ? 0 : count(explode(' ', $children)),
            'heap' => memory_get_usage(),
            'kib' => (int) $resident[1],
        ];
    };
    for ($i = 0; $i < 200; $i++) {
        $ours();
    }
    $before = $seen();
    $before = $seen();                              // what is counted holds this too
    for ($i = 0; $i < $times; $i++) {
        $ours();
    }
    $after = $seen();
    echo json_encode(array_map(fn (int $after, int $before): int => $after - $before, $after, $before)), "\n";
    exit;
}
$held = [];
for ($i = 0, $begin = memory_get_usage(); memory_get_usage() - $begin < $megabytes << 20; $i++) {
    $held[] = $kind === 'objects' ? new Row($i, "row $i", $i / 3) : str_repeat('x', 1000).$i;
}
$spent = $faults = [[], []];
for ($i = 0; $i < $times; $i++) {
    foreach ($i % 2 === 0 ? [$ours, $theirs] : [1 => $theirs, 0 => $ours] as $who => $fork) {
        $before = getrusage(1)['ru_minflt'];        // of children that were waited for
        $begin = hrtime(true);
        $fork();
        $spent[$who][] = (hrtime(true) - $begin) / 1e3;
        $faults[$who][] = getrusage(1)['ru_minflt'] - $before;
    }
}
echo json_encode(array_map(function (array $values): float {
    sort($values);
    return $values[intdiv(count($values), 2)];
}, [...$spent, ...$faults])), "\n";
