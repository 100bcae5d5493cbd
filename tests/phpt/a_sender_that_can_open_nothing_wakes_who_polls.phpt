--TEST--
A sender that has run out of descriptors since it opened the channel wakes who polls it, also when it closes
--EXTENSIONS--
rustdaemon
ffi
pcntl
posix
--FILE--
<?php
require __DIR__ . '/include/shared.php';
require __DIR__ . '/include/polled.php';
use RustDaemon\Channel;

$lose = function (): void {
    posix_setrlimit(POSIX_RLIMIT_NOFILE, 20, 20);
    $GLOBALS['files'] = [];
    while ($file = @fopen('/dev/null', 'r')) {
        $GLOBALS['files'][] = $file;
    }
};
echo heard(fn (Channel $channel) => $channel->send('job', 0.0), $lose), "\n";
echo heard(fn (Channel $channel) => $channel->close(), $lose), "\n";
?>
--EXPECT--
readable, 1 message
readable, 0 messages, closed
