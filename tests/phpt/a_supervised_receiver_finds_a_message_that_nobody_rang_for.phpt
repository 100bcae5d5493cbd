--TEST--
A supervised worker that waits for a message finds one whose sender could not ring
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\{Channel, Counter};

$name = own_name();
$channel = Channel::open($name);
$received = Counter::open($name);
$worker = Sidecar::serve(<<<PHP
    RustDaemon\Worker::install()->ready();
    \$received = RustDaemon\Counter::open('$name');
    foreach (RustDaemon\Channel::open('$name') as \$message) {
        \$received->add(\$message);
    }
    PHP);
$worker->ready();
$waiting = fn (): int => unpack('V', file_get_contents(segment('channel', $name), offset: 128 + 64, length: 4))[1];
eventually('it waits', fn (): bool => $waiting() === 2); // see the table in core::ring

// The FIFO of this process becomes a file that cannot be written.
$libc = FFI::cdef('int dup2(int from, int to); int open(const char *path, int flags);', 'libc.so.6');
$null = $libc->open('/dev/null', 0);
foreach (glob('/proc/self/fd/*') as $link) {
    if (str_contains((string) @readlink($link), "$name:fifo")) {
        $libc->dup2($null, (int) basename($link));
    }
}
$channel->send(7);
eventually('the message is received', fn (): bool => $received->get() === 7, fn () => (string) $received->get());
echo "received\n";
?>
--EXPECT--
received
