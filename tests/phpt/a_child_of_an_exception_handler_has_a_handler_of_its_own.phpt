--TEST--
What a child of an exception handler gives set_exception_handler() is for its own children, too
--EXTENSIONS--
rustdaemon
--FILE--
<?php
use RustDaemon\Process;

set_exception_handler(function (Throwable $e) {
    echo 'first: ', $e->getMessage(), "\n";
    echo Process::fork(function () {
        set_exception_handler(fn (Throwable $e) => print "second: {$e->getMessage()}\n");
        $code = Process::fork(fn () => throw new Exception('grandchild'))->wait()->code;
        echo "$code\n";
        return 7;
    })->wait()->code, "\n";
});
throw new Exception('parent');
?>
--EXPECT--
first: parent
second: grandchild
255
7
