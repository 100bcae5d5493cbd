--TEST--
Objects go by igbinary between forks where all classes are allowed, and by serialize() where a reader may filter
--EXTENSIONS--
rustdaemon
ffi
igbinary
pcntl
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;

class Job
{
    public array $rows = [];
    public ?Job $self = null;
}
$job = new Job();
$job->self = $job;
$job->rows = array_fill(0, 50, ['temperature' => 21.5, 'state' => 'good']);
$size = function (Channel $channel) use ($job): int {
    $channel->send([$job]);
    $bytes = $channel->stats()['used'];
    $arrived = $channel->receive(0.0);
    var_dump($arrived[0]->rows === $job->rows && $arrived[0]->self === $arrived[0]);
    return $bytes;
};
$family = Channel::create(allowedClasses: true);
$named = Channel::open(own_name(), allowedClasses: true);
$filtered = Channel::create(allowedClasses: [Job::class]);
[$by_igbinary, $by_name, $by_filter] = array_map($size, [$family, $named, $filtered]);
var_dump($by_igbinary < $by_name / 2, $by_filter === $by_name);
$family->send($job);
if (($pid = pcntl_fork()) === 0) {
    exit($family->receive()->rows === $job->rows ? 3 : 4);
}
pcntl_waitpid($pid, $status);
echo pcntl_wexitstatus($status), "\n";
?>
--EXPECT--
bool(true)
bool(true)
bool(true)
bool(true)
bool(true)
3
