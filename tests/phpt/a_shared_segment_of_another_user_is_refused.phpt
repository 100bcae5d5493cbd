--TEST--
A segment that belongs to another user is refused
--EXTENSIONS--
rustdaemon
ffi
--SKIPIF--
<?php if (fileowner('/proc/self') !== 0) die('skip only root can give a file away'); ?>
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Lock;

$name = own_name();
Lock::open($name);
chown(segment('lock', $name), 65534);
echo str_replace($name, 'NAME', thrown(fn () => Lock::open($name))), "\n";
?>
--EXPECT--
SegmentUnusable: /dev/shm/rustdaemon-0-lock-NAME belongs to uid 65534, and this process runs as 0: a segment is its owner's alone; take another name, or let uid 65534 or root remove it
