--TEST--
every() and after() refuse times that cannot be, with a sentence; a time that no clock reaches never comes
--EXTENSIONS--
rustdaemon
--FILE--
<?php
$worker = RustDaemon\Worker::install();
foreach ([0.0, -0.0, -1.0, NAN, INF, -INF] as $seconds) {
    foreach (['every', 'after'] as $method) {
        try {
            $worker->$method($seconds, fn () => print "called\n");
            echo "$method($seconds)\n";
        } catch (RustDaemon\Exception\InvalidArgument $e) {
            echo "$method($seconds): {$e->getMessage()}\n";
        }
    }
}
foreach ([fn () => $worker->every('soon', 'strlen'), fn () => $worker->after(1.0, 'no_such_function'), fn () => $worker->every(1.0)] as $bad) {
    try {
        $bad();
    } catch (TypeError $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }
}
$worker->every(1e300, fn () => print "never\n")->after(PHP_FLOAT_MAX, fn () => print "never\n")->after(1e18, fn () => print "never\n");
var_dump($worker->every(seconds: 3600, task: fn () => 1) === $worker);
$worker->tick(0.0);
$worker->tick(0.01);
?>
--EXPECT--
every(0): seconds: must be a finite number greater than 0.0
after(0)
every(-0): seconds: must be a finite number greater than 0.0
after(-0)
every(-1): seconds: must be a finite number greater than 0.0
after(-1): seconds: must be a finite number from 0.0
every(NAN): seconds: must be a finite number greater than 0.0
after(NAN): seconds: must be a finite number from 0.0
every(INF): seconds: must be a finite number greater than 0.0
after(INF): seconds: must be a finite number from 0.0
every(-INF): seconds: must be a finite number greater than 0.0
after(-INF): seconds: must be a finite number from 0.0
TypeError: RustDaemon\Worker::every(): Argument #1 ($seconds) must be of type float, string given
TypeError: RustDaemon\Worker::after(): Argument #2 ($task) must be a valid callback, function "no_such_function" not found or invalid function name
ArgumentCountError: RustDaemon\Worker::every() expects exactly 2 arguments, 1 given
bool(true)
called
called
