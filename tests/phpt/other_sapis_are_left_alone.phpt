--TEST--
In any SAPI but cli nothing happens, and install() and the methods of Process say why they cannot
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (!is_executable(getenv('TEST_PHP_CGI_EXECUTABLE') ?: '/usr/bin/php-cgi8.2')) die('skip needs php-cgi');
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$cgi = getenv('TEST_PHP_CGI_EXECUTABLE') ?: '/usr/bin/php-cgi8.2';
$directory = own_directory();
file_put_contents("$directory/script.php", <<<'PHP'
    <?php
    $status = fn () => preg_grep('/^Sig[BIC]/', file('/proc/self/status'));
    $before = [scandir('/proc/self/fd'), $status()];
    foreach ([['socket' => '/run/x.sock'], ['mode' => 'nonsense'], []] as $arguments) {
        try {
            RustDaemon\Worker::install(...$arguments);
            echo "accepted\n";
        } catch (RustDaemon\Exception\DaemonException $e) {
            echo get_class($e), ': ', $e->getMessage(), "\n";
        }
    }
    foreach ([fn () => RustDaemon\Process::fork(fn () => print "forked\n"), fn () => RustDaemon\Process::onFork('strlen'), fn () => RustDaemon\Process::audit()] as $call) {
        try {
            $call();
            echo "accepted\n";
        } catch (RustDaemon\Exception\UnsupportedSapi $e) {
            echo $e->getMessage(), "\n";
        }
    }
    var_dump(getenv('RUSTDAEMON_LINK'), $before === [scandir('/proc/self/fd'), $status()]);
    ob_start();
    phpinfo(INFO_MODULES);
    preg_match('~<td class="e">Worker </td><td class="v">(.*?) </td>~', ob_get_clean(), $found);
    echo $found[1] ?? 'no section', "\n";
    PHP);
// An empty environment: run-tests sets what CGI takes for a request, for this very file.
$environment = ['RUSTDAEMON_LINK=in=3:1,out=4:2,slot=5:3', 'RUSTDAEMON_RUN=r/0'];
run_command(['env', '-i', ...$environment, $cgi, '-n', '-q', '-d', php()[3], '-d', 'rustdaemon.sidecar=/bin/false',
    "$directory/script.php"]);

// PHP's own web server is the same program as php-cli.
$environment = ['env', '-i', ...$environment];
$server = proc_open([...$environment, ...php(), '-S', '127.0.0.1:0', '-t', $directory], [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'], ['pipe', 'w']], $pipes);
preg_match('~http://([\d.]+:\d+)~', fgets($pipes[2]), $address);
echo strip_tags(file_get_contents("http://$address[1]/script.php"));
proc_terminate($server);
proc_close($server);
?>
--EXPECT--
RustDaemon\Exception\UnsupportedSapi: RustDaemon\Worker works under php-cli only, and this is the SAPI cgi-fcgi: daemons are started on the command line
RustDaemon\Exception\UnsupportedSapi: RustDaemon\Worker works under php-cli only, and this is the SAPI cgi-fcgi: daemons are started on the command line
RustDaemon\Exception\UnsupportedSapi: RustDaemon\Worker works under php-cli only, and this is the SAPI cgi-fcgi: daemons are started on the command line
RustDaemon\Process works under php-cli only, and this is the SAPI cgi-fcgi: a fork of a server would share its connections to clients
RustDaemon\Process works under php-cli only, and this is the SAPI cgi-fcgi: a fork of a server would share its connections to clients
RustDaemon\Process works under php-cli only, and this is the SAPI cgi-fcgi: a fork of a server would share its connections to clients
string(23) "in=3:1,out=4:2,slot=5:3"
bool(true)
none: inert in the SAPI cgi-fcgi
exit 0
RustDaemon\Exception\UnsupportedSapi: RustDaemon\Worker works under php-cli only, and this is the SAPI cli-server: daemons are started on the command line
RustDaemon\Exception\UnsupportedSapi: RustDaemon\Worker works under php-cli only, and this is the SAPI cli-server: daemons are started on the command line
RustDaemon\Exception\UnsupportedSapi: RustDaemon\Worker works under php-cli only, and this is the SAPI cli-server: daemons are started on the command line
RustDaemon\Process works under php-cli only, and this is the SAPI cli-server: a fork of a server would share its connections to clients
RustDaemon\Process works under php-cli only, and this is the SAPI cli-server: a fork of a server would share its connections to clients
RustDaemon\Process works under php-cli only, and this is the SAPI cli-server: a fork of a server would share its connections to clients
string(23) "in=3:1,out=4:2,slot=5:3"
bool(true)
none: inert in the SAPI cli-server
