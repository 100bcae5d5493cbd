--TEST--
A parent's redis, TLS and database connections work after 1000 children that drop them and exit, throw, run out of memory or are killed
--EXTENSIONS--
igbinary
redis
rustdaemon
--SKIPIF--
<?php
if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks');
if (!extension_loaded('openssl')) die('skip PHP without openssl');
if (!is_executable('/usr/bin/redis-check-rdb')) die('skip no Redis');
?>
--INI--
memory_limit=64M
display_errors=0
log_errors=0
--FILE--
<?php
use RustDaemon\{Process, Signal};

require __DIR__ . '/include/sidecar.php';
$directory = own_directory();

/** Speaks as a database client does: a length and a command; its destructor says COM_QUIT. */
final class Database
{
    private $socket;
    public function __construct(string $path) { $this->socket = stream_socket_client("unix://$path"); }
    public function __destruct() { fwrite($this->socket, pack('VC', 1, 1)); }
    public function query(string $sql): string
    {
        fwrite($this->socket, pack('VC', strlen($sql) + 1, 3) . $sql);
        $length = unpack('V', fread($this->socket, 4))[1];
        return fread($this->socket, $length);
    }
}

$key = openssl_pkey_new(['private_key_bits' => 2048, 'digest_alg' => 'sha256']);
$certificate = openssl_csr_sign(openssl_csr_new(['commonName' => 'localhost'], $key), null, $key, 1);
openssl_x509_export($certificate, $text);
openssl_pkey_export($key, $private);
file_put_contents("$directory/pem", $text . $private);
// Both servers, each for one connection: what they say at its end is how the parent's connection has fared.
$server = <<<'PHP'
    <?php
    [, $kind, $directory] = $argv;
    $context = stream_context_create(['ssl' => ['local_cert' => "$directory/pem"]]);
    $address = $kind === 'tls' ? 'tls://127.0.0.1:0' : "unix://$directory/database";
    $listener = stream_socket_server($address, $code, $why, STREAM_SERVER_BIND | STREAM_SERVER_LISTEN, $context);
    echo stream_socket_get_name($listener, false), "\n";
    $client = stream_socket_accept($listener, 30);
    $served = 0;
    if ($kind === 'tls') {
        while (($line = fgets($client)) !== false) {
            fwrite($client, strrev(trim($line)) . "\n");
            $served++;
        }
        exit("tls: $served served\n");
    }
    while (($header = fread($client, 5)) !== '' && $header !== false) {
        ['length' => $length, 'command' => $command] = unpack('Vlength/Ccommand', $header);
        if ($command === 1) {
            exit("database: $served served, then COM_QUIT\n");
        }
        $answer = strtoupper(fread($client, $length - 1));
        fwrite($client, pack('V', strlen($answer)) . $answer);
        $served++;
    }
    exit("database: $served served, no COM_QUIT\n");
    PHP;
file_put_contents("$directory/server.php", $server);
$servers = $pipes = [];
foreach (['tls', 'database'] as $kind) {
    $servers[$kind] = proc_open(
        [PHP_BINARY, "$directory/server.php", $kind, $directory],
        [['file', '/dev/null', 'r'], ['pipe', 'w']],
        $pipes[$kind],
    );
    $names[$kind] = trim(fgets($pipes[$kind][1]));
}
$servers['redis'] = proc_open(
    // The same program, which goes by its name: the package that is called redis-server brings a service.
    ['bash', '-c', 'exec -a redis-server redis-check-rdb "$@"', 'redis', '--port', '0', '--unixsocket', "$directory/redis", '--save', '', '--dir', $directory],
    [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w']],
    $none,
);
eventually('redis listens', fn () => (clearstatcache() ?? true) && file_exists("$directory/redis") && @stream_socket_client("unix://$directory/redis"));

$redis = new Redis();
$redis->connect("$directory/redis");
$insecure = stream_context_create(['ssl' => ['verify_peer' => false, 'verify_peer_name' => false]]);
$tls = stream_socket_client("tls://$names[tls]", $code, $why, 30, STREAM_CLIENT_CONNECT, $insecure);
$database = new Database("$directory/database");
$work = function (int $round) use (&$redis, &$tls, &$database): string {
    $redis->set('round', (string) $round);
    fwrite($tls, "round $round\n");
    return $redis->get('round') . ', ' . strrev(trim(fgets($tls))) . ', ' . $database->query("round $round");
};
Process::onFork(function () use (&$redis, &$tls, &$database): void {
    $redis = $tls = $database = null;               // given up: closed for the child, not for the parent
});
$ways = [
    'exit' => fn () => exit(3),
    'throw' => fn () => throw new LogicException('in a child'),
    'memory' => fn () => str_repeat('x', 1 << 30),
    'killed' => fn () => Signal::send(getmypid(), 'KILL'),
];
$ends = array_fill_keys(array_keys($ways), []);
for ($round = 0; $round < 250; $round++) {
    foreach ($ways as $way => $main) {
        $end = Process::fork($main)->wait();
        $said = $end->code ?? $end->signalName;
        $ends[$way][$said] = ($ends[$way][$said] ?? 0) + 1;
    }
    if ($work($round) !== "$round, round $round, ROUND $round") {
        echo "wrong reply in round $round\n";
    }
}
echo json_encode($ends), "\n";
$redis = $tls = $database = null;
echo stream_get_contents($pipes['tls'][1]), stream_get_contents($pipes['database'][1]);
proc_terminate($servers['redis']);
array_map('proc_close', $servers);
?>
--EXPECT--
{"exit":{"3":250},"throw":{"255":250},"memory":{"255":250},"killed":{"SIGKILL":250}}
tls: 250 served
database: 250 served, then COM_QUIT
