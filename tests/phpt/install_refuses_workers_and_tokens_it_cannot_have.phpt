--TEST--
install() refuses a number of workers out of bounds, and a token that cannot be
--EXTENSIONS--
rustdaemon
--FILE--
<?php
$tokens = ['', str_repeat('x', 4097), "secret\0", "secret\xff", "secret\n"];
$workers = array_map(fn (int $workers) => ['workers' => $workers], [0, -1, 1025]);
foreach ([...$workers, ...array_map(fn (string $token) => ['token' => $token], $tokens)] as $arguments) {
    try {
        RustDaemon\Worker::install(...$arguments);
        echo "accepted\n";
    } catch (RustDaemon\Exception\InvalidArgument $e) {
        echo $e->getMessage(), "\n";
    }
}
try {
    RustDaemon\Worker::install('a', 'b', 0600, null, 1, 2);
} catch (ArgumentCountError $e) {
    echo $e->getMessage(), "\n";
}
?>
--EXPECT--
workers: 0 is not possible: a pool has 1 to 1024 workers
workers: -1 is not possible: a pool has 1 to 1024 workers
workers: 1025 is not possible: a pool has 1 to 1024 workers
token: is empty; a token has 1 to 4096 bytes
token: has 4097 bytes; a token has 1 to 4096 bytes
token: is binary; a token is UTF-8 text without control characters, because clients show it in JSON (make one with: openssl rand -hex 32)
token: is binary; a token is UTF-8 text without control characters, because clients show it in JSON (make one with: openssl rand -hex 32)
token: is binary; a token is UTF-8 text without control characters, because clients show it in JSON (make one with: openssl rand -hex 32)
RustDaemon\Worker::install() expects at most 5 arguments, 6 given
