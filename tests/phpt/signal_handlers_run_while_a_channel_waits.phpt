--TEST--
While a channel waits handlers run, the timeout holds, what they throw ends the wait, and a stop ends it
--EXTENSIONS--
rustdaemon
ffi
pcntl
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\{Channel, Signal};

$name = own_name();
$code = <<<'PHP'
    require $argv[2];
    use RustDaemon\{Channel, Signal};
    $channel = Channel::open($argv[1], 1);
    Signal::on('USR1', function (): void { echo "USR1 is handled\n"; });
    Signal::stopRequested(); // from here on TERM is a wish
    pcntl_async_signals(true);
    pcntl_signal(SIGWINCH, function (): void { echo "ext-pcntl's WINCH is handled\n"; });
    Signal::on('USR2', function (): void { throw new Exception('thrown in USR2'); });
    Signal::on('RTMIN', function () use ($channel): void { $channel->tryReceive($value) && print "received in a handler: $value\n"; });
    %s
    PHP;
$receives = Other::start(sprintf($code, <<<'PHP'
    echo "waits\n";
    $began = hrtime(true);
    echo thrown(fn () => $channel->receive(0.25)), ' ', json_encode(hrtime(true) - $began >= 250e6), "\n";
    echo thrown(function () use ($channel) {
        echo "waits again\n";
        return $channel->receive();
    }), "\n";
    $fiber = new Fiber(fn () => $channel->receive());
    $fiber->start();
    echo $fiber->getReturn(), "\n";
    echo json_encode(Signal::stopRequested()), "\n";
    foreach ($channel as $message) {
        echo "no message\n";
    }
    echo thrown(fn () => $channel->receive()), ' ', json_encode($channel->tryReceive($value, 9.0)), ' ', json_encode(Signal::stopRequested()), "\n";
    PHP), $name, __DIR__ . '/include/shared.php');
$channel = Channel::open($name, 1);
echo $receives->line(), "\n";
$receives->signal(SIGUSR1);
echo $receives->line(), "\n", $receives->line(), "\n", $receives->line(), "\n";
$receives->signal(SIGWINCH);
echo $receives->line(), "\n";
$receives->signal(SIGUSR2);
echo $receives->line(), "\n";
$channel->send('received in a fiber');
echo $receives->line(), "\n", $receives->line(), "\n";
$receives->signal(SIGTERM);
echo $receives->end(), "\n\n";

while ($channel->send('full', 0.0)) {
}
$sends = Other::start(sprintf($code, <<<'PHP'
    echo thrown(function () use ($channel) {
        echo "waits\n";
        return $channel->send('x');
    }), "\n";
    echo thrown(fn () => $channel->send('more')), "\n";
    echo json_encode($channel->send('stopped')), ' ', json_encode(Signal::stopRequested()), "\n";
    PHP), $name, __DIR__ . '/include/shared.php');
echo $sends->line(), "\n";
$sends->signal(SIGUSR2);
echo $sends->line(), "\n";
$sends->signal(Signal::RTMIN); // the handler makes room
echo $sends->line(), "\n", $sends->line(), "\n";
while ($channel->send('full', 0.0)) {
}
$sends->signal(SIGUSR1);
echo $sends->line(), "\n";
$sends->signal(SIGTERM);
echo $sends->end(), "\n";
?>
--EXPECT--
waits
USR1 is handled
Timeout: no message came within 0.25 s true
waits again
ext-pcntl's WINCH is handled
Exception: thrown in USR2
received in a fiber
false
Timeout: no message came before the process was told to stop false true
exit 0

waits
Exception: thrown in USR2
received in a handler: full
returned true
USR1 is handled
false true
exit 0
