--TEST--
A signal that is sent to a child at once reaches it, whatever its parent does with signals of that kind
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\{Process, Signal, Worker};

$ends = function (): string {
    $names = [];
    for ($i = 0; $i < 100; $i++) {
        // Lost, it would be ended by SIGKILL.
        $names[] = Process::fork(fn () => sleep(60))->terminate(5.0)->signalName;
        if (end($names) !== 'SIGTERM') {
            break;
        }
    }
    return json_encode(array_count_values($names));
};
Signal::on('TERM', fn () => print "the parent's handler\n");
echo 'on(): ', $ends(), "\n";
Signal::ignore('TERM');
echo 'ignore(): ', $ends(), "\n";
Signal::default('TERM');
Worker::install();
echo 'install(): ', $ends(), "\n";
?>
--EXPECT--
on(): {"SIGTERM":100}
ignore(): {"SIGTERM":100}
install(): {"SIGTERM":100}
