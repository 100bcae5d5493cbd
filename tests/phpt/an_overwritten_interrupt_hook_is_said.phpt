--TEST--
An extension that overwrites the interrupt hook without calling ours makes the worker blind: it says so at ready
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$ffi = ['-d', 'extension=ffi', '-d', 'ffi.enable=1'];
$overwrite = '$php = FFI::cdef("extern void (*zend_interrupt_function)(void *);"); $php->zend_interrupt_function = %s;';
foreach (['null', '$other'] as $by) {
    $sidecar = Sidecar::serve('$other = function ($frame) { };' . sprintf($overwrite, $by) . <<<'PHP'

        $worker = RustDaemon\Worker::install();
        $worker->expose('echo', fn () => 1);
        $worker->run();
        PHP, $ffi);
    echo preg_replace('~: .* has~', ': OTHER has', $sidecar->readyFrame()['blind']), "\n", $sidecar->life()['flags'], "\n";
    echo $sidecar->call('echo', '[]'), "\n";
    $sidecar->drain();
    $sidecar->end();
}
$sidecar = Sidecar::serve('RustDaemon\Worker::install()->run();', $ffi);
echo json_encode($sidecar->readyFrame()), ' ', $sidecar->life()['flags'], "\n";
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
hang detection is off: OTHER has replaced PHP's interrupt hook and does not call the one before it
2
data 1
exit 0
hang detection is off: OTHER has replaced PHP's interrupt hook and does not call the one before it
2
data 1
exit 0
{"methods":[],"own_loop":false} 0
exit 0
