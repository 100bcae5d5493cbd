--TEST--
A link that something closed or replaced is an exception, never a self-start
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = <<<'PHP'
    foreach ([1, 2] as $attempt) {
        try {
            RustDaemon\Worker::install(socket: '/tmp/never.sock');
            echo "let in\n";
        } catch (RustDaemon\Exception\LinkBroken $e) {
            echo preg_replace(['/descriptor \d+/', '/=\d+:\d+/'], ['descriptor N', '=N:I'], $e->getMessage()), "\n";
        }
    }
    PHP;
$options = ['-d', 'rustdaemon.sidecar=/bin/false'];
$changes = [
    'closed' => fn (string $link) => preg_replace('/in=\d+/', 'in=999', $link),
    'replaced' => fn (string $link) => preg_replace('/out=(\d+):\d+/', 'out=$1:1', $link),
    'incomplete' => fn (string $link) => explode(',slot', $link)[0],
    'garbage' => fn () => 'yes',
    'twice' => fn (string $link) => preg_replace('/out=(\d+:\d+),slot=.*/', 'out=$1,slot=$1', $link),
    'no slot page' => fn (string $link) => preg_replace('/slot=.*/', 'slot=' . ($fd = pipe()[0]) . ':' . inode($fd), $link),
];
foreach ($changes as $what => $change) {
    echo "-- $what\n";
    $sidecar = Sidecar::start($code, $change, $options);
    $sidecar->end();
}
?>
--EXPECT--
-- closed
out: RUSTDAEMON_LINK is set, but descriptor N (in) is closed: something between the sidecar and PHP (a wrapper, sudo, a script) has closed or changed the descriptors that the sidecar handed on; run PHP without it, or with --no-link
out: RUSTDAEMON_LINK is set, but descriptor N (in) is closed: something between the sidecar and PHP (a wrapper, sudo, a script) has closed or changed the descriptors that the sidecar handed on; run PHP without it, or with --no-link
exit 0
-- replaced
out: RUSTDAEMON_LINK is set, but descriptor N (out) is something else now: something between the sidecar and PHP (a wrapper, sudo, a script) has closed or changed the descriptors that the sidecar handed on; run PHP without it, or with --no-link
out: RUSTDAEMON_LINK is set, but descriptor N (out) is something else now: something between the sidecar and PHP (a wrapper, sudo, a script) has closed or changed the descriptors that the sidecar handed on; run PHP without it, or with --no-link
exit 0
-- incomplete
out: RUSTDAEMON_LINK is set, but it must name in, out, slot: something between the sidecar and PHP (a wrapper, sudo, a script) has closed or changed the descriptors that the sidecar handed on; run PHP without it, or with --no-link
out: RUSTDAEMON_LINK is set, but it must name in, out, slot: something between the sidecar and PHP (a wrapper, sudo, a script) has closed or changed the descriptors that the sidecar handed on; run PHP without it, or with --no-link
exit 0
-- garbage
out: RUSTDAEMON_LINK is set, but "yes" is not NAME=FD:INODE: something between the sidecar and PHP (a wrapper, sudo, a script) has closed or changed the descriptors that the sidecar handed on; run PHP without it, or with --no-link
out: RUSTDAEMON_LINK is set, but "yes" is not NAME=FD:INODE: something between the sidecar and PHP (a wrapper, sudo, a script) has closed or changed the descriptors that the sidecar handed on; run PHP without it, or with --no-link
exit 0
-- twice
out: RUSTDAEMON_LINK is set, but descriptor N is named twice: something between the sidecar and PHP (a wrapper, sudo, a script) has closed or changed the descriptors that the sidecar handed on; run PHP without it, or with --no-link
out: RUSTDAEMON_LINK is set, but descriptor N is named twice: something between the sidecar and PHP (a wrapper, sudo, a script) has closed or changed the descriptors that the sidecar handed on; run PHP without it, or with --no-link
exit 0
-- no slot page
out: RUSTDAEMON_LINK is set, but its slot page cannot be used: not a sealed file of the expected size
out: the link to the sidecar was used up by an earlier install() that failed: this process can only end
exit 0
