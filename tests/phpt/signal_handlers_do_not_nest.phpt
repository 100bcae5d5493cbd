--TEST--
A signal that arrives while a handler runs is handled after it
--EXTENSIONS--
rustdaemon
--FILE--
<?php
use RustDaemon\{Signal, SignalInfo};

Signal::on(['USR1', 'USR2'], function (SignalInfo $info): void {
    echo "$info->name begins\n";
    if ($info->name === 'SIGUSR1') {
        Signal::send(getmypid(), 'USR2');
        echo 'dispatch() inside: ', Signal::dispatch(), ', waiting: ', count(Signal::pending()), "\n";
        for ($i = 0; $i < 1000; $i++) {
            strlen('safe points');
        }
    }
    echo "$info->name ends\n";
});
Signal::send(getmypid(), 'USR1');
echo "between\n";
// A handler that removes, replaces and re-adds handlers, its own included.
final class Temporary
{
    public function handle(SignalInfo $info): void
    {
        Signal::off('USR1');
        Signal::on('USR1', fn () => print "the new one\n");
        echo "the old one goes on: {$this->name()}\n";
    }

    private function name(): string
    {
        return 'Temporary';
    }
}
Signal::on('USR1', [new Temporary(), 'handle']);
Signal::send(getmypid(), 'USR1');
Signal::send(getmypid(), 'USR1');
final class Magic
{
    public function __call(string $name, array $arguments): void
    {
        echo "__call $name {$arguments[0]->name}\n";
    }

    public static function __callStatic(string $name, array $arguments): void
    {
        echo "__callStatic $name {$arguments[0]->name}\n";
    }
}
Signal::on('USR1', [new Magic(), 'usr1']);
Signal::send(getmypid(), 'USR1');
Signal::send(getmypid(), 'USR1');
Signal::on('USR1', 'Magic::usr1');
Signal::send(getmypid(), 'USR1');
Signal::on('USR1', 'var_dump');
Signal::off('USR1');
echo "done\n";
?>
--EXPECT--
SIGUSR1 begins
dispatch() inside: 0, waiting: 1
SIGUSR1 ends
SIGUSR2 begins
SIGUSR2 ends
between
the old one goes on: Temporary
the new one
__call usr1 SIGUSR1
__call usr1 SIGUSR1
__callStatic usr1 SIGUSR1
done
