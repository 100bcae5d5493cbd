--TEST--
What a handler returns is encoded into the bytes of tests/fixtures
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';

/** TEXT of tests/fixtures/README.md. */
function bytes(string $text): string
{
    $byte = static fn (array $found): string =>
        isset($found[3]) ? chr(hexdec($found[3])) : str_repeat($found[2], (int) $found[1]);
    return preg_replace_callback('/%\{(\d+):([^}]*)\}|%([0-9a-f]{2})/', $byte, $text);
}

$sidecar = Sidecar::serve(<<<'PHP'
    $worker = RustDaemon\Worker::install();
    $worker->expose('echo', fn (mixed ...$arguments) => $arguments);
    $worker->run();
    PHP);
$sidecar->ready();

// Raw arguments of a request line, raw data or fault of a reply line.
$dialects = [
    'flat' => [
        Sidecar::FLAT,
        '/^\{"command":"echo",(.*)$/s',
        ['data' => '/^\{"success":true,"data":(.*)\}$/s', 'fault' => '/^\{"success":false,"error":(.*)\}$/s'],
    ],
    'typed' => [
        Sidecar::TYPED,
        '/^\{"id":1,"t":"req","method":"echo","args":(.*)\}$/s',
        ['data' => '/"ok":true,"data":(.*)\}$/s', 'fault' => '/"ok":false,"error":(.*)\}$/s'],
    ],
    'jsonrpc' => [
        Sidecar::JSON_RPC,
        '/^\{"jsonrpc":"2.0","id":1,"method":"echo","params":(.*)\}$/s',
        ['data' => '/"result":(.*),"id":1\}$/s', 'fault' => '/"error":(.*),"id":1\}$/s'],
    ],
];
foreach ($dialects as $directory => [$dialect, $request, $replies]) {
    $count = 0;
    foreach (glob(__DIR__ . "/../fixtures/$directory/*.txt") as $file) {
        preg_match_all('/^== (.*)\n> (.*)\n(?:>\.\n)?< (.*)\n/m', file_get_contents($file), $found, PREG_SET_ORDER);
        foreach ($found as [, $name, $asked, $golden]) {
            [$asked, $golden] = [rtrim(bytes($asked), "\r"), bytes($golden)];
            // Two requests in one write, and what is no argument, are the sidecar's business.
            if (!preg_match($request, $asked, $arguments) || preg_match('/\n|authToken/', $asked)) {
                continue;
            }
            $arguments = $directory === 'flat' ? '{' . $arguments[1] : $arguments[1];
            foreach ($replies as $kind => $reply) {
                // A refusal is the sidecar's.
                if (!preg_match($reply, $golden, $said) || preg_match('/invalid_|payload_/', $golden)) {
                    continue;
                }
                $count++;
                // In a fault "type" and "class" are the dialect's words for the same.
                $expected = "$kind " . preg_replace('/^\{"type":/', '{"class":', $said[1]);
                $answer = $sidecar->call('echo', $arguments, $dialect);
                if ($answer !== $expected) {
                    echo basename($file), ": $name\n   got ", substr($answer, 0, 300), "\ngolden ", substr($expected, 0, 300), "\n";
                }
            }
        }
    }
    echo "$directory: ", $count > 5 ? 'compared' : "only $count found", "\n";
}
$sidecar->drain();
$sidecar->end();
?>
--EXPECT--
flat: compared
typed: compared
jsonrpc: compared
exit 0
