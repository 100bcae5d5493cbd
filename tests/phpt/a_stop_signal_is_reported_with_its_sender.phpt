--TEST--
The sidecar hears which stop signal came and from whom, and which of them the script has
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
const SIGNALLED = 8;
const TAKEN = 9;
$sidecar = Sidecar::start(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    RustDaemon\Signal::on('INT', fn () => print "my INT\n");
    $worker->expose('handle', fn () => RustDaemon\Signal::on(['TERM', 'HUP'], fn () => print "my own\n"));
    $worker->expose('give', fn () => [RustDaemon\Signal::off(['TERM', 'INT']), RustDaemon\Signal::default('QUIT')]);
    $worker->expose('last', fn () => RustDaemon\Signal::last('HUP')->senderCommand);
    $worker->run();
    PHP);
$sidecar->hello();
$sidecar->go(['version' => 2]);
$me = ['pid' => getmypid(), 'uid' => getmyuid()];
$show = function (array $frame) use ($me): void {
    $what = json_decode($frame[2], true);
    if (isset($what['pid'])) {
        $what['sender'] = [$what['pid'], $what['uid']] === array_values($me) ? 'me' : 'somebody';
        unset($what['pid'], $what['uid']);
        $what['command'] = $what['command'] === trim(file_get_contents('/proc/self/comm')) ? 'mine' : $what['command'];
    }
    echo json_encode($what), "\n";
};
$sidecar->ready();
$show($sidecar->expect(TAKEN));
// The sender is our parent process as well as the sidecar: reported are others.
$other = fn (string $signal) => proc_close(proc_open(['sh', '-c', "kill -$signal {$sidecar->pid()}; exec sleep 0"], [], $pipes));
$other('HUP');
$frame = $sidecar->expect(SIGNALLED);
$signalled = json_decode($frame[2], true);
echo $signalled['signal'], ' ', $signalled['pid'] !== getmypid() ? 'from another process' : 'from me', "\n";
echo $sidecar->call('handle', '[]'), "\n";
$show($sidecar->expect(TAKEN));
echo $sidecar->call('give', '[]'), "\n";
$show($sidecar->expect(TAKEN));
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
{"signals":["SIGINT"]}
SIGHUP from another process
data null
{"signals":["SIGTERM","SIGINT","SIGHUP"]}
data [null,null]
{"signals":["SIGQUIT","SIGHUP"]}
exit 0
