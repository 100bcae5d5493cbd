--TEST--
critical() delays handlers until it ends, also when it throws; stop requests are seen at once
--EXTENSIONS--
rustdaemon
--FILE--
<?php
use RustDaemon\{Signal, SignalInfo};

Signal::on(['USR1', 'USR2'], function (SignalInfo $info): void {
    echo "$info->name $info->count\n";
});
$send = function (string ...$signals): void {
    foreach ($signals as $signal) {
        Signal::send(getmypid(), $signal);
    }
};
var_dump(Signal::critical(function () use ($send): array {
    $send('USR1', 'USR2');
    for ($i = 0; $i < 100; $i++) {
        strlen('safe points');
    }
    echo 'inside, dispatch() runs ', Signal::dispatch(), "\n";
    return ['result'];
})[0]);
echo "-- throws\n";
try {
    Signal::critical(function () use ($send): void {
        $send('USR1');
        throw new DomainException('from the section');
    });
} catch (DomainException $e) {
    echo $e->getMessage(), "\n";
}
echo "-- only USR1\n";
Signal::critical(function () use ($send): void {
    $send('USR1', 'USR2', 'USR1');
    echo "inside\n";
}, 'USR1');
echo "-- nested\n";
Signal::critical(function () use ($send): void {
    Signal::critical(fn () => $send('USR1', 'USR2'));
    echo "after the inner one: USR2 may, USR1 may not\n";
    Signal::critical(fn () => $send('USR1'), 'USR2');
    echo "the outer one ends\n";
}, 'USR1');
echo "-- stop\n";
var_dump(Signal::stopRequested());
Signal::critical(function () use ($send): void {
    $send('TERM');
    var_dump(Signal::stopRequested());
});
echo "-- exit\n";
register_shutdown_function(function () use ($send): void {
    $send('USR1');
    echo "shutdown\n";
});
Signal::critical(function () use ($send): void {
    $send('USR2');
    exit;
});
?>
--EXPECT--
inside, dispatch() runs 0
SIGUSR1 1
SIGUSR2 1
string(6) "result"
-- throws
SIGUSR1 2
from the section
-- only USR1
SIGUSR2 2
inside
SIGUSR1 3
SIGUSR1 4
-- nested
SIGUSR2 3
after the inner one: USR2 may, USR1 may not
the outer one ends
SIGUSR1 5
SIGUSR1 6
-- stop
bool(false)
bool(true)
-- exit
SIGUSR2 4
SIGUSR1 7
shutdown
