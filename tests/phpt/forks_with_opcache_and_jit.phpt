--TEST--
Children are right with opcache, with the tracing and with the function JIT: hot code before the fork, in the child and after it
--EXTENSIONS--
rustdaemon
ffi
--SKIPIF--
<?php
if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks');
if (!str_contains((string) shell_exec(PHP_BINARY . ' -n -d zend_extension=opcache -v 2>&1'), 'OPcache v')) die('skip needs opcache');
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$script = tempnam(sys_get_temp_dir(), 'jit');
file_put_contents($script, <<<'PHP'
    <?php
    use RustDaemon\Process;

    function hot(int $turns): int
    {
        $sum = 0;
        for ($i = 0; $i < $turns; $i++) {
            $sum += $i % 7;
        }
        return $sum;
    }
    function cold(int $turns): string                  // first compiled in a child
    {
        $text = '';
        for ($i = 0; $i < $turns; $i++) {
            $text = substr($text . chr(97 + $i % 26), -5);
        }
        return $text;
    }
    final class Counted
    {
        public static int $alive = 0;
        public function __construct(public int $number) { self::$alive++; }
        public function __destruct() { self::$alive--; }
    }
    $kept = array_map(fn (int $number) => new Counted($number), range(1, 10));
    $before = hot(100_000);
    $ends = [];
    for ($round = 0; $round < 1000; $round++) {
        $end = Process::fork(function () use ($round, $kept): int {
            $own = new Counted($round);
            $sum = hot(1000) + array_sum(array_map(fn (Counted $counted) => $counted->number, $kept));
            if ($sum !== 3052 || $round % 100 === 0 && cold(3000) !== 'fghij') {
                return 100;
            }
            $GLOBALS['kept'] = null;
            return match ($round % 4) {
                0 => 1,
                1 => exit(2),
                2 => throw new LogicException(),
                3 => Counted::$alive,
            };
        })->wait();
        $ends[$end->code] = ($ends[$end->code] ?? 0) + 1;
        hot(100);
    }
    ksort($ends);
    $after = hot(100_000);
    $jit = function_exists('opcache_get_status') ? opcache_get_status(false)['jit']['on'] ?? false : null;
    echo json_encode($ends), ' ', json_encode($before === $after), ' ', Counted::$alive, ' ', json_encode($jit), "\n";
    PHP);
$opcache = ['-d', 'zend_extension=opcache', '-d', 'opcache.enable_cli=1', '-d', 'opcache.jit_buffer_size=16M'];
foreach ([[], [...$opcache, '-d', 'opcache.jit=off'], [...$opcache, '-d', 'opcache.jit=tracing'], [...$opcache, '-d', 'opcache.jit=function']] as $options) {
    run_command([...php(...$options, ...['-d', 'display_errors=0', '-d', 'log_errors=0']), $script]);
}
unlink($script);
?>
--EXPECT--
{"1":250,"2":250,"11":250,"255":250} true 10 null
exit 0
{"1":250,"2":250,"11":250,"255":250} true 10 false
exit 0
{"1":250,"2":250,"11":250,"255":250} true 10 true
exit 0
{"1":250,"2":250,"11":250,"255":250} true 10 true
exit 0
