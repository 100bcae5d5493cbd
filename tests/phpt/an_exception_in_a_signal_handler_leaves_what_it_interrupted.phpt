--TEST--
An exception leaves the interrupted code, once what had arrived with it is handled
--EXTENSIONS--
rustdaemon
--FILE--
<?php
use RustDaemon\{Signal, SignalInfo};

Signal::on(['USR1', 'USR2'], function (SignalInfo $info): void {
    echo "$info->name\n";
    if ($info->name === 'SIGUSR1') {
        throw new DomainException("thrown for $info->name");
    }
});
function interrupted(): void
{
    try {
        Signal::critical(function (): void {
            Signal::send(getmypid(), 'USR1');
            Signal::send(getmypid(), 'USR2');
        });
        echo "not reached\n";
    } finally {
        echo "finally\n";
    }
}
for ($i = 0; $i < 3; $i++) {
    try {
        interrupted();
        echo "not reached\n";
    } catch (DomainException $e) {
        echo 'caught: ', $e->getMessage(), ' on line ', $e->getLine(), "\n";
    }
}
// Inside a sort, a generator and a destructor.
$numbers = range(1, 50);
try {
    usort($numbers, function (int $a, int $b): int {
        Signal::send(getmypid(), 'USR1');
        return $a <=> $b;
    });
} catch (DomainException $e) {
    echo "out of usort, which is whole: ", count(array_unique($numbers)), "\n";
}
// Several throw: the later one carries the earlier one.
Signal::on(['USR1', 'USR2'], fn (SignalInfo $info) => throw new DomainException($info->name));
try {
    Signal::critical(function (): void {
        Signal::send(getmypid(), 'USR1');
        Signal::send(getmypid(), 'USR2');
        throw new LogicException('from the section');
    });
} catch (Exception $e) {
    for (; $e !== null; $e = $e->getPrevious()) {
        echo get_class($e), ' ', $e->getMessage(), "\n";
    }
}
// In the middle of a loop and of an expression, whose values are not lost.
Signal::on('USR1', fn () => throw new DomainException('in the middle'));
$total = 0;
for ($i = 0; $i < 100; $i++) {
    try {
        $total += strlen(str_repeat('x', $i)) + (function () use ($i): int {
            $i % 3 === 0 && Signal::send(getmypid(), 'USR1');
            return 0;
        })();
    } catch (DomainException) {
        $total += $i;
    }
}
echo "$total\n";
register_shutdown_function(fn () => print "shutdown function\n");
set_exception_handler(function (Throwable $e): void {
    echo 'exception handler: ', $e->getMessage(), "\n";
});
Signal::send(getmypid(), 'USR1');
echo "not reached\n";
?>
--EXPECT--
SIGUSR1
SIGUSR2
finally
caught: thrown for SIGUSR1 on line 7
SIGUSR1
SIGUSR2
finally
caught: thrown for SIGUSR1 on line 7
SIGUSR1
SIGUSR2
finally
caught: thrown for SIGUSR1 on line 7
SIGUSR1
out of usort, which is whole: 50
DomainException SIGUSR2
DomainException SIGUSR1
LogicException from the section
4950
exception handler: in the middle
shutdown function
