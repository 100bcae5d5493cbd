--TEST--
senderCommand is that of who sent this very signal, not of an earlier or a later one
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip valgrind renames processes');
--FILE--
<?php
use RustDaemon\Signal;

$mine = trim(file_get_contents('/proc/self/comm'));
$shown = fn (?string $command): string => $command === $mine ? 'me' : $command ?? 'null';
/** A shell sends, and lives until it is let go. */
$shell = function (string $signal, callable $look): void {
    $child = proc_open(['sh', '-c', "kill -$signal \$PPID; read line"], [['pipe', 'r']], $pipes);
    $pid = proc_get_status($child)['pid'];
    $deadline = microtime(true) + 10.0;
    while (Signal::last($signal)?->senderPid !== $pid && microtime(true) < $deadline) {
    }
    $look();
    fclose($pipes[0]);
    proc_close($child);
};
// It was kept from the first last() on, whoever sent after it.
Signal::on('USR1', fn () => null);
Signal::send(getmypid(), 'USR1');
echo $shown(Signal::last('USR1')->senderCommand), "\n";
$shell('USR1', fn () => print $shown(Signal::last('USR1')->senderCommand) . "\n");
// A stop signal that waits behind another one was given that one's sender.
Signal::on('TERM', fn () => null);
Signal::critical(function () use ($shell, $shown): void {
    Signal::send(getmypid(), 'TERM');
    $shell('TERM', function () use ($shown): void {
        foreach (Signal::pending() as $info) {
            echo $info->senderPid === getmypid() ? 'from me: ' : 'from the shell: ', $shown($info->senderCommand), "\n";
        }
    });
});
?>
--EXPECT--
me
sh
from me: null
from the shell: sh
