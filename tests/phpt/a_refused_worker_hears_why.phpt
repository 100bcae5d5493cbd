--TEST--
A worker that is refused throws the sidecar's sentence; its link is used up
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
        } catch (RustDaemon\Exception\DaemonException $e) {
            echo get_class($e), ': ', $e->getMessage(), "\n";
        }
    }
    PHP;
$options = ['-d', 'rustdaemon.sidecar=/bin/false'];
$answers = [
    'refused' => fn (Sidecar $s) => $s->send(Sidecar::REFUSED, 0, 0, "rustdaemon speaks link versions 3 to 4 only; caf\xC3\xA9"),
    'version' => fn (Sidecar $s) => $s->go(['version' => 6]),
    'not a go' => fn (Sidecar $s) => $s->send(Sidecar::GO, 0, 0, '{"version":1}'),
    'out of turn' => fn (Sidecar $s) => $s->request('a', '[]'),
    'drain' => fn (Sidecar $s) => $s->drain(),
    'gone' => fn (Sidecar $s) => $s->hangUp(),
    'unknown frame' => fn (Sidecar $s) => $s->send(99, 0, 0, ''),
];
foreach ($answers as $what => $answer) {
    echo "-- $what\n";
    $sidecar = Sidecar::start($code, null, $options);
    $sidecar->hello();
    $answer($sidecar);
    $sidecar->end();
}
?>
--EXPECT--
-- refused
out: RustDaemon\Exception\LinkRefused: rustdaemon speaks link versions 3 to 4 only; café
out: RustDaemon\Exception\LinkBroken: the link to the sidecar was used up by an earlier install() that failed: this process can only end
exit 0
-- version
out: RustDaemon\Exception\LinkRefused: the sidecar speaks version 6 of the link, and this rustdaemon.so (0.1.0) speaks 1 to 5: install the same release of both
out: RustDaemon\Exception\LinkBroken: the link to the sidecar was used up by an earlier install() that failed: this process can only end
exit 0
-- not a go
out: RustDaemon\Exception\LinkBroken: the sidecar's answer is a malformed frame: its JSON does not fit its kind
out: RustDaemon\Exception\LinkBroken: the link to the sidecar was used up by an earlier install() that failed: this process can only end
exit 0
-- out of turn
out: RustDaemon\Exception\LinkBroken: the sidecar answered Request at the gate
out: RustDaemon\Exception\LinkBroken: the link to the sidecar was used up by an earlier install() that failed: this process can only end
exit 0
-- drain
out: RustDaemon\Exception\LinkRefused: the sidecar is stopping and lets no worker in
out: RustDaemon\Exception\LinkBroken: the link to the sidecar was used up by an earlier install() that failed: this process can only end
exit 0
-- gone
out: RustDaemon\Exception\LinkBroken: the sidecar has gone while this worker was at the gate
out: RustDaemon\Exception\LinkBroken: the link to the sidecar was used up by an earlier install() that failed: this process can only end
exit 0
-- unknown frame
out: RustDaemon\Exception\LinkBroken: the link to the sidecar is broken (a frame of unknown kind 99) while this worker was at the gate
out: RustDaemon\Exception\LinkBroken: the link to the sidecar was used up by an earlier install() that failed: this process can only end
exit 0
