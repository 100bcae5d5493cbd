--TEST--
What was buffered before a fork is printed once, and output callbacks of the parent are not called in a child
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\Process;

$log = tempnam(sys_get_temp_dir(), 'rd');
$parent = getmypid();
$callback = function (string $text, int $phase) use ($log, $parent): string {
    file_put_contents($log, getmypid() === $parent ? 'p' : 'c', FILE_APPEND);
    return "[$text]";
};
ob_start($callback);
echo 'outer';
ob_start($callback, 0, PHP_OUTPUT_HANDLER_STDFLAGS ^ PHP_OUTPUT_HANDLER_REMOVABLE);
echo 'inner';
$end = Process::fork(function (): int {
    echo 'child, unbuffered, ', ob_get_level(), "\n";
    ob_start(fn (string $text): string => "<$text>");
    echo 'child, buffered';
    return 3;
})->wait();
while (ob_get_level() > 0 && @ob_end_flush());
echo "\ncode $end->code\n";
?>
--CLEAN--
--EXPECT--
child, unbuffered, 0
<child, buffered>[outer[inner
code 3
]]
