--TEST--
The ends of proc_open(), exec() and Symfony's Process are theirs, also while children are forked, waited for and given up
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php
if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks');
if (!is_file('/usr/share/php/Symfony/Component/Process/autoload.php')) die('skip needs php-symfony-process');
--FILE--
<?php
use RustDaemon\{Process, Worker};
use Symfony\Component\Process\Process as SymfonyProcess;

require '/usr/share/php/Symfony/Component/Process/autoload.php';
require __DIR__ . '/include/sidecar.php';
$shell = fn (int $code): array => ['sh', '-c', "read line; exit $code"];
/** Children of others that end while $meanwhile runs, and what their owners are told of it. */
$told = function (callable $meanwhile) use ($shell): string {
    $theirs = proc_open($shell(11), [['pipe', 'r']], $pipes);
    $input = new Symfony\Component\Process\InputStream();
    $symfony = new SymfonyProcess($shell(12), null, null, $input, null);
    $symfony->start();
    $meanwhile(function () use ($pipes, $input, $symfony): void {
        fwrite($pipes[0], "now\n");
        $input->write("now\n");
        $symfony->getIncrementalOutput();           // which writes its input
    });
    exec('exit 13', $lines, $code);
    fclose($pipes[0]);
    return implode(' ', [proc_close($theirs), $symfony->wait(), $code]);
};
echo 'wait(): ', $told(function (callable $end): void {
    $child = Process::fork(fn () => usleep(50_000));
    $end();
    $child->wait();
}), "\n";
echo 'given up: ', $told(function (callable $end): void {
    for ($i = 0; $i < 20; $i++) {
        Process::fork(fn () => usleep(1000));       // the thread that reaps is told of it
        $i === 10 && $end();
    }
}), "\n";
echo 'a child that has children of others: ', $told(function (callable $end): void {
    $end();
    exit_code(Process::fork(function (): int {
        exec('exit 5', $lines, $code);
        return $code;
    })->wait()->code);
}), "\n";
function exit_code(int $code): void { echo "($code) "; }
$worker = Worker::install();
$turns = 0;
$worker->every(0.01, function () use (&$turns, $worker): void {
    Process::fork(fn () => 0);
    if (++$turns === 20) {
        RustDaemon\Signal::send(getmypid(), 'TERM');
    }
});
echo 'run(): ', $told(function (callable $end) use ($worker): void {
    $end();
    $worker->run();
}), "\n";
?>
--EXPECT--
wait(): 11 12 13
given up: 11 12 13
a child that has children of others: (5) 11 12 13
run(): 11 12 13
