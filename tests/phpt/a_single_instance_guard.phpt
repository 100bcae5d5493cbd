--TEST--
Lock::open(...)->acquire(0.0) or exit(1) keeps a script to one instance, also after a kill -9
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';

$name = own_name();
$script = <<<'PHP'
    RustDaemon\Lock::open($argv[1])->acquire(0.0) or exit(1);
    echo "runs\n";
    fgets(STDIN);
    PHP;
$first = Other::start($script, $name);
echo $first->line(), "\n";
echo Other::start($script, $name)->end(), "\n";
$first->signal(9);
echo $first->end(), "\n";
$next = Other::start($script, $name);
echo $next->line(), "\n";
echo Other::start($script, $name)->end(), "\n";
$next->tell('end');
echo $next->end(), "\n";
?>
--EXPECT--
runs
exit 1
killed by 9
runs
exit 1
exit 0
