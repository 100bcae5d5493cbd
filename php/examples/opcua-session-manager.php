<?php

declare(strict_types=1);
// php-opcua's session manager behind our socket: its clients connect as before, its commands run unchanged.
// php -d extension=rustdaemon.so opcua-session-manager.php /tmp/opcua-session-manager.sock vendor/autoload.php 0660
use PhpOpcua\SessionManager\Daemon\{CommandHandler, SessionStore};
use RustDaemon\{Request, Worker};

class forbidden_method extends RuntimeException {}      // a client reads the short name of an exception's class:
class invalid_argument extends RuntimeException {}      // these are CommandHandler's words
class max_sessions_reached extends RuntimeException {}
class session_not_found extends RuntimeException {}
class unknown_method extends RuntimeException {}
require $argv[2];
$worker = Worker::install(socket: $argv[1], mode: $argv[3] ?? 0600, token: getenv('OPCUA_AUTH_TOKEN') ?: null);
$handler = new CommandHandler(new SessionStore(), maxSessions: 100);    // as many as the pool's max_bound
$ttl = (float) (getenv('OPCUA_SESSION_TIMEOUT') ?: 600);
foreach (['open', 'close', 'query', 'invoke', 'describe', 'list'] as $command) {        // ping: the sidecar answers
    $worker->expose($command, static function (mixed ...$keys) use ($command, $handler, $ttl): mixed {
        $reply = $handler->handle(['command' => $command] + $keys);
        if (($word = $reply['error']['type'] ?? null) !== null) {
            throw new (class_exists($word) ? $word : "PhpOpcua\\Client\\Exception\\$word")($reply['error']['message']);
        }
        $id = $keys['sessionId'] ?? $reply['data']['sessionId'] ?? null;    // its time begins anew with each use
        $id && ($command === 'close' ? Request::current()->unbind($id) : Request::current()->bind($id, $ttl));
        return $reply['data'];
    });
}
$worker->onExpire(static fn (string $id): array => $handler->handle(['command' => 'close', 'sessionId' => $id]));
exit($worker->run());
