--TEST--
A channel made before a fork carries messages between the processes; foreach ends when it is closed and empty
--EXTENSIONS--
rustdaemon
pcntl
--FILE--
<?php
use RustDaemon\Channel;

$jobs = Channel::create(1000);
$results = Channel::create(1000);
$children = [];
for ($worker = 0; $worker < 2; $worker++) {
    $children[] = $pid = pcntl_fork();
    if ($pid === 0) {
        $keys = [];
        foreach ($jobs as $key => $job) {
            $keys[] = $key;
            $results->send(['job' => $job, 'square' => $job * $job]);
        }
        $results->send(['keys' => $keys === array_keys($keys), 'jobs' => count($keys)]);
        exit(7);
    }
}
$producer = pcntl_fork();
if ($producer === 0) {
    for ($job = 1; $job <= 5000; $job++) {
        $jobs->send($job); // waits for room again and again
    }
    $jobs->close();
    exit(0);
}
$sum = $done = 0;
$ends = [];
while (count($ends) < 2) {
    $result = $results->receive(30.0);
    if (isset($result['job'])) {
        $sum += $result['square'];
        $done++;
    } else {
        $ends[] = $result;
    }
}
var_dump($done, $sum === array_sum(array_map(fn ($job) => $job * $job, range(1, 5000))));
var_dump($ends[0]['jobs'] + $ends[1]['jobs'], $ends[0]['keys'] && $ends[1]['keys']);
foreach ($children as $child) {
    pcntl_waitpid($child, $status);
    var_dump(pcntl_wexitstatus($status));
}
pcntl_waitpid($producer, $status);
print_r(array_slice($jobs->stats(), 1));
?>
--EXPECT--
int(5000)
bool(true)
int(5000)
bool(true)
int(7)
int(7)
Array
(
    [used] => 0
    [messages] => 0
    [sent] => 5000
    [received] => 5000
    [closed] => 1
)
