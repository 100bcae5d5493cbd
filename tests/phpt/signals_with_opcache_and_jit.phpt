--TEST--
Handlers, exceptions from them and sections work with opcache, with the tracing and with the function JIT
--EXTENSIONS--
rustdaemon
ffi
--SKIPIF--
<?php if (!str_contains((string) shell_exec(PHP_BINARY . ' -n -d zend_extension=opcache -v 2>&1'), 'OPcache v')) die('skip needs opcache');
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$script = tempnam(sys_get_temp_dir(), 'jit');
file_put_contents($script, <<<'PHP'
    <?php
    use RustDaemon\{Signal, SignalInfo};

    $calls = 0;
    Signal::on('USR1', function (SignalInfo $info) use (&$calls): void {
        $calls++;
    });
    Signal::on('USR2', fn () => throw new DomainException('thrown'));
    function hot(int $turns): int
    {
        $sum = 0;
        for ($i = 0; $i < $turns; $i++) {
            $sum += $i % 7;
            if ($i % 1000 === 0) {
                Signal::send(getmypid(), 'USR1');
            }
        }
        return $sum;
    }
    $sum = 0;
    for ($round = 0; $round < 20; $round++) {
        $sum += hot(20_000);
    }
    $caught = 0;
    $total = 0;
    for ($i = 0; $i < 2000; $i++) {
        try {
            $total += hot(10);
            if ($i % 20 === 0) {
                Signal::send(getmypid(), 'USR2');
                echo "not reached\n";
            }
        } catch (DomainException) {
            $caught++;
        }
    }
    $list = range(1, 300);
    usort($list, fn (int $a, int $b): int => (Signal::send(getmypid(), 'USR1') ?? 0) ?: $b <=> $a);
    // A loop without a call in it, interrupted from outside.
    $ready = false;
    Signal::on('ALRM', function () use (&$ready): void {
        $ready = true;
    });
    $child = proc_open(['sh', '-c', 'read line; kill -ALRM $PPID'], [['pipe', 'r']], $pipes);
    fwrite($pipes[0], "now\n");
    for ($turns = 0; !$ready; $turns++) {
    }
    proc_close($child);
    $jit = function_exists('opcache_get_status') ? opcache_get_status(false)['jit']['on'] ?? false : null;
    echo "$sum $total $caught $list[0] ", $calls >= 2401 ? 'all' : $calls, ' ', json_encode($jit), "\n";
    PHP);
$opcache = ['-d', 'zend_extension=opcache', '-d', 'opcache.enable_cli=1', '-d', 'opcache.jit_buffer_size=16M'];
foreach ([[], [...$opcache, '-d', 'opcache.jit=off'], [...$opcache, '-d', 'opcache.jit=tracing'], [...$opcache, '-d', 'opcache.jit=function']] as $options) {
    run_command([...php(...$options), $script]);
}
unlink($script);
?>
--EXPECT--
1199940 48000 100 300 all null
exit 0
1199940 48000 100 300 all false
exit 0
1199940 48000 100 300 all true
exit 0
1199940 48000 100 300 all true
exit 0
