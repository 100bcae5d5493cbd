--TEST--
In a chroot without /dev a child has an input at its end, and runs
--EXTENSIONS--
rustdaemon
posix
--SKIPIF--
<?php
if (posix_geteuid() !== 0) {
    die('skip only root may chroot()');
}
?>
--FILE--
<?php
use RustDaemon\Process;

chroot(__DIR__);
$child = Process::fork(function () {
    echo "in the child\n";
    return fgets(STDIN) === false ? 7 : 8;
});
echo $child->wait(10.0)->code, "\n";
?>
--STDIN--
for the parent
--EXPECT--
in the child
7
