--TEST--
A child forked in Signal::critical() hears signals: the section is its parent's
--EXTENSIONS--
posix
--FILE--
<?php
use RustDaemon\Process;
use RustDaemon\Signal;

$fork = function (): int {
    return Process::fork(function (): int {
        $heard = false;
        Signal::on('USR1', function () use (&$heard): void {
            $heard = true;
        });
        posix_kill(getmypid(), SIGUSR1);
        for ($i = 0; !$heard && $i < 1000; $i++) {
            usleep(1000);
        }
        return $heard ? 42 : 1;
    })->wait()->code;
};
echo 'named: ', Signal::critical($fork, 'USR1'), "\n";
echo 'all: ', Signal::critical($fork), "\n";
Signal::on('USR2', function (): void {
});
echo 'after a handler of the parent: ', Signal::critical($fork), "\n";
?>
--EXPECT--
named: 42
all: 42
after a handler of the parent: 42
