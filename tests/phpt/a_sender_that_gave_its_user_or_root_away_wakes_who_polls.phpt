--TEST--
A sender that has changed its user or its root directory since it opened the channel wakes who polls it
--EXTENSIONS--
rustdaemon
ffi
pcntl
posix
--SKIPIF--
<?php
posix_geteuid() === 0 or die('skip only root can change its user');
function_exists('chroot') or die('skip this PHP has no chroot()');
?>
--FILE--
<?php
require __DIR__ . '/include/shared.php';
require __DIR__ . '/include/polled.php';
use RustDaemon\Channel;

$user = fn () => posix_setgid(65534) && posix_setuid(65534) || die('still root');
$directory = own_directory();
$root = fn () => chroot($directory) || die('still in the same root');
foreach (['user' => $user, 'root' => $root] as $what => $lose) {
    echo $what, ': ', heard(fn (Channel $channel) => $channel->send('job', 0.0), $lose), "\n";
    echo $what, ': ', heard(fn (Channel $channel) => $channel->close(), $lose), "\n";
}
?>
--EXPECT--
user: readable, 1 message
user: readable, 0 messages, closed
root: readable, 1 message
root: readable, 0 messages, closed
