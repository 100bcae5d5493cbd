--TEST--
A fatal error that PHP has survived leaves the page at the next turn, request or busy(); one that ends the script stays
--EXTENSIONS--
rustdaemon
ffi
--SKIPIF--
<?php if (!str_contains((string) shell_exec(PHP_BINARY . ' -n -d zend_extension=opcache -v 2>&1'), 'OPcache v')) die('skip needs opcache');
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$bad = tempnam(sys_get_temp_dir(), 'bad');
file_put_contents($bad, '<?php class A { function x() {} function x() {} }');
$code = "\$bad = '$bad';\n" . <<<'PHP'
    $worker = RustDaemon\Worker::install();
    $step = function () use ($argv): void {
        fclose(fopen($argv[0] . '.step', 'x')); // in one step
        while (file_exists($argv[0] . '.step')) {
            usleep(500);
        }
    };
    $worker->expose('nothing', fn () => 0);
    register_shutdown_function(function () use ($worker) {
        $worker->busy('good-bye');
        echo json_encode([$worker->tick(0.0), $worker->shouldStop()]), "\n";
    });
    $goesOn = [fn () => $worker->busy('job'), fn () => $worker->shouldStop(), fn () => $worker->tick(0.0)];
    foreach ($goesOn as $act) {
        @opcache_compile_file($bad);
        $step();
        $act();
        $step();
    }
    @opcache_compile_file($bad);
    $worker->run();
    include $bad;
    PHP;
$options = ['-d', 'zend_extension=opcache', '-d', 'opcache.enable_cli=1', '-d', 'display_errors=0'];
$sidecar = Sidecar::serve($code, $options);
$step = $sidecar->script() . '.step';
$noted = fn () => str_contains($sidecar->life()['fatal'], 'Cannot redeclare A::x()');
for ($i = 0; $i < 6; $i++) {
    eventually('the next step', fn () => file_exists($step));
    echo json_encode($noted()), "\n";
    unlink($step);
}
$sidecar->ready();
echo $sidecar->call('nothing', '[]'), ' ', json_encode($noted()), "\n";
$sidecar->drain();
$sidecar->end();
echo json_encode($noted()), "\n";
unlink($bad);
?>
--EXPECT--
true
false
true
false
true
false
data 0 false
out: [false,true]
exit 255
true
