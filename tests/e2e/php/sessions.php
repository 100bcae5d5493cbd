<?php

declare(strict_types=1);

// A worker that keeps sessions: what is open here is in $open, and what it has heard of the end of others in $closed.

use RustDaemon\Request;

$worker = RustDaemon\Worker::install();
$open = [];
$closed = [];

$worker->onExpire(function (string $value) use (&$open, &$closed): void {
    unset($open[$value]);
    $closed[] = $value;
});
$worker->expose('open', function (string $value, ?float $ttl = 600.0) use (&$open): array {
    $request = Request::current();
    $request->bind($value, $ttl);
    $open[$value] = true;
    return ['pid' => getmypid(), 'same' => $request === Request::current()];
});
$worker->expose('use', function (string $sessionId) use (&$open): int {
    if (!isset($open[$sessionId])) {
        throw new RustDaemon\Exception\SessionNotFound("Session not found: $sessionId");
    }
    return getmypid();
});
$worker->expose('close', function (string $sessionId) use (&$open): void {
    unset($open[$sessionId]);
    Request::current()->unbind($sessionId);
});
$worker->expose('closed', function () use (&$closed): array {
    return $closed;
});
$worker->expose('request', function (mixed ...$args): array {
    return get_object_vars(Request::current());
});
$kept = null;
$worker->expose('keep', function () use (&$kept): void {
    $kept = Request::current();
});
$worker->expose('late', function () use (&$kept): array {
    $told = [];
    foreach (['bind', 'unbind'] as $method) {
        try {
            $kept->$method('x');
        } catch (Throwable $why) {
            $told[] = $why::class . ': ' . $why->getMessage();
        }
    }
    return [$kept->method, $kept !== Request::current(), $told];
});
$worker->expose('renew', function (string $value, float $after) use (&$open): array {
    usleep((int) ($after * 1e6));
    Request::current()->bind($value); // binding once more lets it live anew
    $open[$value] = true;
    return [];
});
$contexts = new WeakMap();
$worker->expose('context', function () use ($contexts): int {
    $contexts[Request::current()] = new class {
        public function __destruct()
        {
            fprintf(STDERR, "context gone: %s\n", var_export(Request::current(), true));
        }
    };
    return getmypid();
});
$worker->expose('none', fn (): bool => Request::current() === null);
$worker->onStop(function (): void {
    fprintf(STDERR, "onStop: %s\n", var_export(Request::current(), true));
});
exit($worker->run());
