--TEST--
Senders and receivers that are killed with SIGKILL at any moment hold nobody up and spoil no message
--EXTENSIONS--
rustdaemon
pcntl
posix
--FILE--
<?php
use RustDaemon\Channel;

// Receivers that are killed may take a message with them: what counts is that all the others come whole and in order.
$channel = Channel::create(3000);
$fork = function (callable $do): int {
    $pid = pcntl_fork();
    if ($pid === 0) {
        $do();
        posix_kill(getmypid(), SIGKILL);
    }
    return $pid;
};
$kill = function (int $pid): void {
    posix_kill($pid, SIGKILL);
    pcntl_waitpid($pid, $status);
};
$message = fn (int $sender, int $number): string => pack('qq', $sender, $number) . str_repeat(chr(65 + $number % 26), $number % 300);
$send = fn (int $sender) => $fork(function () use ($channel, $message, $sender): void {
    for ($number = 0; ; $number++) {
        $channel->send($message($sender, $number));
    }
});
$receive = fn () => $fork(function () use ($channel): void {
    foreach ($channel as $nothing) {
    }
});
$last = [];
$seen = 0;
$wrong = 0;
for ($round = 0; $round < 40; $round++) {
    $pids = [$send($round), $receive()];
    for ($i = 0; $i < 300; $i++) {
        $text = $channel->receive(20.0);
        ['a' => $sender, 'b' => $number] = unpack('qa/qb', $text);
        $wrong += $text !== $message($sender, $number) || $number <= ($last[$sender] ?? -1) ? 1 : 0;
        $last[$sender] = $number;
        $seen++;
    }
    $kill($pids[$round % 2]);
    $kill($pids[1 - $round % 2]);
}
echo "$seen received, $wrong wrong, of ", count($last) > 30 ? 'all senders' : 'few senders', "\n";
while ($channel->tryReceive($text)) {
}
$channel->send('still whole');
echo $channel->receive(0.0), ' ', json_encode($channel->stats()['used']), "\n";
?>
--EXPECT--
12000 received, 0 wrong, of all senders
still whole 0
