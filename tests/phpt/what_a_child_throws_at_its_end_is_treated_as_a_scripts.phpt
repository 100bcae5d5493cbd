--TEST--
What a shutdown function or a destructor throws in a child is treated as it is in a script: PHP's versions differ
--EXTENSIONS--
rustdaemon
ffi
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$handler = <<<'PHP'
    set_exception_handler(function (Throwable $e): void {
        echo 'handler: ', $e->getMessage(), ', frames below: ', count(debug_backtrace()) - 1, "\n";
    });

    PHP;
$throws = [
    'a shutdown function' => <<<'PHP'
        register_shutdown_function(function (): void { throw new RuntimeException('thrown'); });
        register_shutdown_function(fn () => print "the next one\n");
        PHP,
    'a destructor' => <<<'PHP'
        $GLOBALS['own'] = new class {
            public function __destruct() { throw new RuntimeException('thrown'); }
        };
        ob_start();
        echo "buffered\n";
        PHP,
];
foreach ($throws as $what => $code) {
    foreach (['' => 'without a handler', $handler => 'with one'] as $before => $handled) {
        ob_start();
        run_php($before . $code, options: ['-d', 'html_errors=0']);
        $of_script = ob_get_clean();
        ob_start();
        run_php("{$before}exit(RustDaemon\\Process::fork(function () {{$code} })->wait()->code);", options: ['-d', 'html_errors=0']);
        $of_child = ob_get_clean();
        // Where it stands differs; since 8.4 a closure's name says where.
        $same = array_map(fn ($said) => preg_replace(['/\d+/', '/{closure.*}/'], ['N', 'closure'], $said), [$of_script, $of_child]);
        echo "-- $what $handled: ", $same[0] === $same[1] && str_contains($of_child, 'thrown') ? 'as in a script' : $of_script . $of_child, "\n";
    }
}
?>
--EXPECT--
-- a shutdown function without a handler: as in a script
-- a shutdown function with one: as in a script
-- a destructor without a handler: as in a script
-- a destructor with one: as in a script
