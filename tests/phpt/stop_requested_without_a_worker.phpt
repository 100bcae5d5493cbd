--TEST--
stopRequested() alone: the first call takes TERM, INT, QUIT and HUP; nohup's HUP stays ignored
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$code = <<<'PHP'
    use RustDaemon\Signal;
    var_dump(Signal::stopRequested());
    Signal::send(getmypid(), $argv[1]);
    var_dump(Signal::stopRequested(), Signal::wait(30.0, 'USR1'), Signal::last($argv[1])?->name);
    PHP;
foreach (['TERM', 'INT', 'QUIT', 'HUP'] as $signal) {
    run_command([...php(), '-r', $code, '--', $signal]);
}
echo "-- nohup\n";
run_command(['sh', '-c', 'trap "" HUP INT; exec "$@"', 'sh', ...php(), '-r', <<<'PHP'
    use RustDaemon\Signal;
    Signal::stopRequested();
    Signal::send(getmypid(), 'HUP');
    Signal::send(getmypid(), 'INT');
    var_dump(Signal::stopRequested());
    PHP]);
echo "-- a handler of the script's wins, whenever it was put there\n";
run_command([...php(), '-r', <<<'PHP'
    use RustDaemon\Signal;
    Signal::on('TERM', fn () => print "mine\n");
    var_dump(Signal::stopRequested());
    Signal::on('INT', fn () => print "mine too\n");
    Signal::send(getmypid(), 'TERM');
    Signal::send(getmypid(), 'INT');
    var_dump(Signal::stopRequested());
    Signal::off('TERM');
    Signal::send(getmypid(), 'TERM');
    var_dump(Signal::stopRequested());
    PHP]);
?>
--EXPECT--
bool(false)
bool(true)
NULL
string(7) "SIGTERM"
exit 0
bool(false)
bool(true)
NULL
string(6) "SIGINT"
exit 0
bool(false)
bool(true)
NULL
string(7) "SIGQUIT"
exit 0
bool(false)
bool(true)
NULL
string(6) "SIGHUP"
exit 0
-- nohup
bool(false)
exit 0
-- a handler of the script's wins, whenever it was put there
bool(false)
mine
mine too
bool(false)
bool(true)
exit 0
