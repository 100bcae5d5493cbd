--TEST--
A message whose bytes somebody has changed in shared memory is read or refused, never a crash, and the channel goes on
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Channel;

$name = own_name();
$value = ['marked', 'list' => [1, 2.5, null, true, 'text'], 7 => ['deep' => ['er' => str_repeat('x', 30)]]];
$channel = Channel::open($name, 4096);
$path = segment('channel', $name);
$file = fopen($path, 'r+');
$ends = [];
$change = function (int $at, string $bytes) use ($file): void {
    fseek($file, $at);
    fwrite($file, $bytes);
    fflush($file);
};
$tries = 0;
for ($byte = -12; ; $byte++) {
    foreach (["\x00", "\x07", "\x08", "\x7f", "\xff"] as $new) {
        $channel->send($value);
        $place = strrpos(file_get_contents($path), 'marked');
        $at = $place + $byte;
        fseek($file, $at);
        $old = fread($file, 1);
        $change($at, $new);
        $end = thrown(fn () => gettype($channel->receive(0.0)));
        $end = preg_replace(['~ at byte \d+~', "~'array'~"], ['', 'array'], $end);
        $ends[$end] = ($ends[$end] ?? 0) + 1;
        $change($place, '......');
        $tries++;
    }
    if ($byte > 120) {
        break;
    }
}
ksort($ends);
echo implode("\n", array_keys($ends)), "\n";
$channel->send('and on');
var_dump($channel->receive(0.0));
?>
--EXPECT--
MessageUnreadable: a message cannot be read: a key is neither an int nor a string
MessageUnreadable: a message cannot be read: a key stands there twice
MessageUnreadable: a message cannot be read: an array is shorter than it says
MessageUnreadable: a message cannot be read: it ends too early
MessageUnreadable: a message cannot be read: it goes on after its end
MessageUnreadable: a message cannot be read: it holds a kind of value that this version does not know
returned array
string(6) "and on"
