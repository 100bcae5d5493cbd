<?php

// `cargo xtask bench ping`: what one writes in plain PHP, without any library: stream_select() over all connections, a
// JSON request in each line, a JSON answer to each.

$context = stream_context_create(['socket' => ['backlog' => 1024]]);
$flags = STREAM_SERVER_BIND | STREAM_SERVER_LISTEN;
$server = stream_socket_server("unix://$argv[1]", $code, $why, $flags, $context) ?: exit("$why\n");
$clients = $partial = [];
while (true) {
    $read = [...$clients, $server];
    $write = $except = null;
    if (stream_select($read, $write, $except, null) === false) {
        exit(1);
    }
    foreach ($read as $stream) {
        if ($stream === $server) {
            $client = stream_socket_accept($server);
            stream_set_blocking($client, false);
            $clients[(int) $client] = $client;
            $partial[(int) $client] = '';
            continue;
        }
        $number = (int) $stream;
        $chunk = fread($stream, 65_536);
        if ($chunk === '' || $chunk === false) {
            unset($clients[$number], $partial[$number]);
            fclose($stream);
            continue;
        }
        $lines = explode("\n", $partial[$number] . $chunk);
        $partial[$number] = array_pop($lines);
        $answers = '';
        foreach ($lines as $line) {
            $request = json_decode($line, true);
            $data = ['status' => 'ok', 'sessions' => 0, 'time' => microtime(true)];
            $answers .= json_encode(['id' => $request['id'], 't' => 'res', 'ok' => true, 'data' => $data]) . "\n";
        }
        if ($answers !== '') {
            fwrite($stream, $answers);
        }
    }
}
