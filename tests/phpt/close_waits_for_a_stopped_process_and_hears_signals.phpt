--TEST--
While another process is stopped within a channel close() waits for it, and signal handlers run; after a stop it gives up
--EXTENSIONS--
rustdaemon
ffi
posix
--SKIPIF--
<?php
str_contains((string) @file_get_contents('/proc/self/maps'), '/libc.so.6') or die('skip where the owner of a lock stands is known of glibc only');
?>
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;

// See the tables in core::segment and core::ring: the word that says who has the producers' lock, and the consumers' count.
$word = fn (string $file, int $at): int => unpack('V', file_get_contents($file, offset: $at, length: 4))[1];
$put = function (string $file, int $at, int $value): void {
    $segment = fopen($file, 'r+');
    fseek($segment, $at);
    fwrite($segment, pack('V', $value));
};
$code = <<<'PHP'
    require $argv[2];
    use RustDaemon\{Channel, Signal};
    $channel = Channel::open($argv[1]);
    Signal::on('USR1', function (): void { echo "USR1 is handled\n"; });
    Signal::on('USR2', function (): void { throw new Exception('thrown in USR2'); });
    Signal::stopRequested(); // from here on TERM is a wish
    echo thrown(fn () => $channel->close()), "\n", thrown(fn () => $channel->close()), "\n";
    PHP;
foreach (['it runs again' => false, 'told to stop' => true] as $case => $stop) {
    $name = own_name();
    $file = segment('channel', $name);
    $channel = Channel::open($name);
    $put($file, 128, getmypid()); // as if this process were stopped there
    $closes = Other::start($code, $name, __DIR__ . '/include/shared.php');
    eventually('it is in close()', fn (): bool => ($word($file, 128 + 384) & 1) === 1);
    $closes->signal(SIGUSR1);
    echo "$case: ", $closes->line(), "\n";
    $closes->signal(SIGUSR2);
    echo $closes->line(), "\n", json_encode($channel->stats()['closed']), "\n";
    if ($stop) {
        $closes->signal(SIGTERM);
        echo $closes->end(), "\n";
        $put($file, 128, 0);
    } else {
        $put($file, 128, 0);
        echo $closes->end(), "\n";
    }
    echo json_encode($channel->stats()['closed']), "\n";
}
?>
--EXPECT--
it runs again: USR1 is handled
Exception: thrown in USR2
false
returned NULL
exit 0
true
told to stop: USR1 is handled
Exception: thrown in USR2
false
Timeout: the channel is not closed, and this process was told to stop: another one, which does not run, holds the channel up
exit 0
false
