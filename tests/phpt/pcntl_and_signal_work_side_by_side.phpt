--TEST--
With ext-pcntl loaded different signals both work, for one signal the last installer wins, and off() gives it back
--EXTENSIONS--
rustdaemon
pcntl
--FILE--
<?php
use RustDaemon\{Signal, SignalInfo};

pcntl_async_signals(true);
$ours = fn (SignalInfo $info) => print "ours: $info->name\n";
$theirs = fn (int $signal) => print "pcntl's: $signal\n";
$send = function (string ...$signals): void {
    foreach ($signals as $signal) {
        Signal::send(getmypid(), $signal);
    }
};
echo "-- different signals\n";
Signal::on('USR1', $ours);
pcntl_signal(SIGUSR2, $theirs);
$send('USR1', 'USR2', 'USR1', 'USR2');
echo "-- theirs, then ours, then off()\n";
Signal::on('USR2', $ours);
$send('USR2');
Signal::off('USR2');
$send('USR2');
echo "-- ours, then theirs: off() leaves theirs\n";
pcntl_signal(SIGUSR1, $theirs);
$send('USR1');
Signal::off('USR1');
$send('USR1');
echo "-- ours, theirs, ours again, off()\n";
Signal::on('ALRM', $ours);
pcntl_signal(SIGALRM, $theirs);
Signal::on('ALRM', $ours);
$send('ALRM');
Signal::off('ALRM');
$send('ALRM');
echo "-- ours, theirs to the default, ours again\n";
Signal::on('HUP', $ours);
pcntl_signal(SIGHUP, SIG_DFL);
Signal::on('HUP', $ours);
$send('HUP');
Signal::off('HUP');
echo "-- both throw\n";
pcntl_signal(SIGUSR2, fn () => throw new DomainException("pcntl's"));
Signal::on('USR1', fn () => throw new DomainException('ours'));
try {
    Signal::critical(fn () => [pcntl_sigprocmask(SIG_BLOCK, [SIGUSR1, SIGUSR2]), $send('USR1', 'USR2'), pcntl_sigprocmask(SIG_UNBLOCK, [SIGUSR1, SIGUSR2])]);
    echo "not reached\n";
} catch (DomainException $e) {
    echo $e->getMessage(), ' after ', $e->getPrevious()?->getMessage(), "\n";
}
Signal::on('USR1', $ours);
echo "-- blocked by pcntl_sigprocmask\n";
pcntl_sigprocmask(SIG_BLOCK, [SIGUSR1]);
$send('USR1');
echo "blocked\n";
pcntl_sigprocmask(SIG_UNBLOCK, [SIGUSR1]);
echo "-- a storm of both\n";
$counts = [0, 0];
pcntl_async_signals(true);
Signal::on('RTMIN', function () use (&$counts): void {
    $counts[0]++;
});
pcntl_signal(SIGRTMIN + 1, function () use (&$counts): void {
    $counts[1]++;
});
for ($i = 0; $i < 20000; $i++) {
    $send('RTMIN', 'RTMIN+1');
}
echo implode(' ', $counts), "\n";
?>
--EXPECT--
-- different signals
ours: SIGUSR1
pcntl's: 12
ours: SIGUSR1
pcntl's: 12
-- theirs, then ours, then off()
ours: SIGUSR2
pcntl's: 12
-- ours, then theirs: off() leaves theirs
pcntl's: 10
pcntl's: 10
-- ours, theirs, ours again, off()
ours: SIGALRM
pcntl's: 14
-- ours, theirs to the default, ours again
ours: SIGHUP
-- both throw
ours after pcntl's
-- blocked by pcntl_sigprocmask
blocked
ours: SIGUSR1
-- a storm of both
20000 20000
