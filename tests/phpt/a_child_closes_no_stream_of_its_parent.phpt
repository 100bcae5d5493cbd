--TEST--
A child closes no stream of its parent's, also when it gives it up, and writes its own to the end
--EXTENSIONS--
rustdaemon
zlib
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\Process;

/** A stream whose end is seen from outside, as a goodbye on a connection is. */
final class Loud
{
    public $context;
    public function stream_open(): bool { return true; }
    public function stream_write(string $text): int { return strlen($text); }
    public function stream_close(): void { echo getmypid() === PARENT ? 'parent' : 'child', " closes\n"; }
}
define('PARENT', getmypid());
stream_wrapper_register('loud', Loud::class);
$file = tempnam(sys_get_temp_dir(), 'rd');
$loud = fopen('loud://global', 'w');
$captured = fopen('loud://captured', 'w');
register_shutdown_function(function () use ($captured): void {});
unset($captured);
[$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
$parents = gzopen("$file.parent.gz", 'w');
gzwrite($parents, str_repeat('parent ', 100));
$end = Process::fork(function () use ($file): int {
    $GLOBALS['loud'] = $GLOBALS['ours'] = $GLOBALS['theirs'] = $GLOBALS['parents'] = null;
    $GLOBALS['own'] = gzopen("$file.child.gz", 'w');
    gzwrite($GLOBALS['own'], str_repeat('child ', 150));
    $GLOBALS['filtered'] = fopen("$file.filtered", 'w');
    stream_filter_append($GLOBALS['filtered'], 'zlib.deflate', STREAM_FILTER_WRITE);
    fwrite($GLOBALS['filtered'], str_repeat('filtered ', 100));
    return 0;
})->wait();
echo "code $end->code\n";
fwrite($ours, "still there\n");
echo fgets($theirs);
gzclose($parents);
echo strlen(implode('', gzfile("$file.child.gz"))), ' of 900 bytes of the child, ';
echo strlen(implode('', gzfile("$file.parent.gz"))), ' of 700 of the parent, ';
echo strlen(gzinflate(file_get_contents("$file.filtered"))), " of 900 through a filter\n";
// The same after an exit, which unwinds, and after a fatal error, which does not.
foreach (['exit' => fn () => exit(3), 'fatal' => fn () => trigger_error('fatal', E_USER_ERROR)] as $way => $leave) {
    $end = Process::fork(function () use ($file, $leave, $way): void {
        error_reporting(0);
        $GLOBALS['own'] = gzopen("$file.$way.gz", 'w');
        gzwrite($GLOBALS['own'], str_repeat('child ', 150));
        $leave();
    })->wait();
    echo "$way: code $end->code, ", strlen(implode('', gzfile("$file.$way.gz"))), "\n";
}
array_map('unlink', glob("$file*"));
?>
--EXPECT--
code 0
still there
900 of 900 bytes of the child, 700 of 700 of the parent, 900 of 900 through a filter
exit: code 3, 900
fatal: code 255, 900
parent closes
parent closes
