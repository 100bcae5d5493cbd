--TEST--
What lies under a name and cannot be used is refused with one sentence, and never crashes
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\{Counter, Lock};

$name = own_name();
$path = segment('lock', $name);
$uid = (string) fileowner('/proc/self');
$say = fn (string $what, callable $call) => print "$what: " . strtr(thrown($call), [$path => 'PATH', $name => 'NAME', "as $uid:" => 'as UID:']) . "\n";
$open = fn () => is_object(Lock::open($name));
$put = function (string $bytes) use ($path): void {
    @unlink($path);
    touch($path);
    chmod($path, 0600);
    file_put_contents($path, $bytes);
};
foreach (['', '.hidden', 'a/b', '../x', "a\0b", 'ä', str_repeat('n', 101)] as $bad) {
    $say('name', fn () => Lock::open($bad));
}
$say('longest', fn () => is_object(Lock::open(str_pad($name, 100, '-'))));
$say('type', fn () => Counter::open([]));

$open();
$good = file_get_contents($path);
$put('');
$say('empty', $open);
$put(str_repeat('x', 4096));
$say('foreign', $open);
$put(substr_replace($good, pack('V', 1), 8, 4));
$say('version', $open);
Counter::open($name);
$put(file_get_contents(segment('counter', $name)));
$say('kind', $open);
$put(substr($good, 0, -1));
$say('short', $open);
$refused = 0;
for ($bit = 0; $bit < 88 * 8; $bit++) {
    $put(substr_replace($good, chr(ord($good[$bit >> 3]) ^ (1 << ($bit & 7))), $bit >> 3, 1));
    $refused += (int) str_starts_with(thrown($open), 'SegmentUnusable: ');
}
echo "$refused of 704 flipped bits of the header are refused\n";
for ($byte = 128; $byte < 168; $byte++) {
    $put(substr_replace($good, "\xff", $byte, 1));
    $said = thrown(fn () => Lock::open($name)->acquire(0.0));
    if (str_starts_with($said, 'returned true')) {
        Lock::open($name)->release();
    } elseif ($said !== 'returned false') {
        $sentence = $said;
    }
}
$say('content', fn () => throw new LogicException($sentence));
$put($good);
chmod($path, 0640);
$say('mode', $open);
unlink($path);
symlink('/etc/passwd', $path);
$say('link', $open);
unlink($path);
mkdir($path);
$say('directory', $open);
rmdir($path);
$say('nothing', $open);
?>
--EXPECT--
name: InvalidArgument: name: "" cannot be a name in shared memory: 1 to 100 of the characters a-z A-Z 0-9 . _ - are allowed, the first no dot
name: InvalidArgument: name: ".hidden" cannot be a name in shared memory: 1 to 100 of the characters a-z A-Z 0-9 . _ - are allowed, the first no dot
name: InvalidArgument: name: "a/b" cannot be a name in shared memory: 1 to 100 of the characters a-z A-Z 0-9 . _ - are allowed, the first no dot
name: InvalidArgument: name: "../x" cannot be a name in shared memory: 1 to 100 of the characters a-z A-Z 0-9 . _ - are allowed, the first no dot
name: InvalidArgument: name: "a\0b" cannot be a name in shared memory: 1 to 100 of the characters a-z A-Z 0-9 . _ - are allowed, the first no dot
name: InvalidArgument: name: "ä" cannot be a name in shared memory: 1 to 100 of the characters a-z A-Z 0-9 . _ - are allowed, the first no dot
name: InvalidArgument: name: "nnnnnnnnnnnnnnnnnnnn" and so on, 101 bytes, cannot be a name in shared memory: 1 to 100 of the characters a-z A-Z 0-9 . _ - are allowed, the first no dot
longest: returned true
type: TypeError: RustDaemon\Counter::open(): Argument #1 ($name) must be of type string, array given
empty: SegmentUnusable: PATH is no segment of rustdaemon's
foreign: SegmentUnusable: PATH is no segment of rustdaemon's
version: SegmentUnusable: PATH was made by another version of rustdaemon (format 1, this one knows 2): end the processes that use it, then remove it with rustdaemon shm rm
kind: SegmentUnusable: PATH is a counter and no lock: remove it with rustdaemon shm rm
short: SegmentUnusable: PATH has 4095 bytes, which its header does not say: end the processes that use it, then remove it with rustdaemon shm rm
704 of 704 flipped bits of the header are refused
content: LogicException: SegmentUnusable: the lock "NAME" was written over by some other program: end the processes that use it, then rustdaemon shm rm NAME
mode: SegmentUnusable: PATH is not a file of mode 0600 but of 0640: remove it
link: SegmentUnusable: PATH is a symbolic link and no segment of rustdaemon's: remove it
directory: SegmentUnusable: PATH is a directory and no segment of rustdaemon's: remove it
nothing: returned true
