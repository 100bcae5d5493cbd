<?php

declare(strict_types=1);

// A worker that answers later, in a loop of its own around stream_select(). What is open lies in $open by its key; SIGUSR1
// answers all of it.

use RustDaemon\Request;
use RustDaemon\Signal;
use RustDaemon\Worker;

$settings = json_decode($argv[1], true) + ['concurrency' => 2, 'loop' => 'stream'];
$worker = Worker::install();
if ($settings['concurrency'] > 0) {
    $worker->concurrency($settings['concurrency']);
}
$open = [];
$answerAll = function () use (&$open): void {
    foreach ($open as $key => $request) {
        unset($open[$key]);
        $request->reply("$key, later");
    }
};
$told = function (callable $act): string {
    try {
        $act();
        return 'done';
    } catch (Throwable $why) {
        return $why::class . ': ' . $why->getMessage();
    }
};

$worker->expose('later', function (string $key) use (&$open): string {
    $open[$key] = Request::current()->defer();
    return 'dropped';
}, idempotent: true);
$worker->expose('once', function (string $key) use (&$open): void {
    $open[$key] = Request::current()->defer()->defer();
});
$worker->expose('reply', function (string $key, mixed $value) use (&$open, $told): string {
    return $told(fn () => $open[$key]->reply($value));
});
$worker->expose('fail', function (string $key, string $why) use (&$open, $told): string {
    return $told(fn () => $open[$key]->fail($why));
});
$worker->expose('throw', function (string $key, string $why) use (&$open, $told): string {
    return $told(fn () => $open[$key]->fail(new DomainException($why)));
});
$worker->expose('refuse', function (string $key) use (&$open, $told): string {
    return $told(fn () => $open[$key]->fail(17));
});
$worker->expose('drop', function (string $key) use (&$open): string {
    unset($open[$key]);
    return 'dropped';
});
$worker->expose('bind', function (string $key, string $value) use (&$open, $told): string {
    return $told(fn () => $open[$key]->bind($value));
});
$worker->expose('odd', function (string $key) use (&$open, $told): array {
    $throws = new class implements JsonSerializable {
        public function jsonSerialize(): mixed
        {
            throw new LogicException('not as JSON');
        }
    };
    $replies = new class ($open[$key]) implements JsonSerializable {
        public function __construct(private Request $request)
        {
        }

        public function jsonSerialize(): mixed
        {
            $this->request->reply('from inside');
            return 'from outside';
        }
    };
    return [$told(fn () => $open[$key]->reply($throws)), $told(fn () => $open[$key]->reply($replies))];
});
$worker->expose('at_once', function (): string {
    Request::current()->defer()->reply('at once');
    return 'dropped';
});
$worker->expose('changes_its_mind', function () use (&$open): void {
    $open['gone'] = Request::current()->defer();
    throw new DomainException('no');
});
$worker->expose('throws_after_its_reply', function (): void {
    Request::current()->defer()->reply('first');
    throw new DomainException('too late');
});
$worker->expose('nobody_keeps_it', function (): void {
    Request::current()->defer();
});
$worker->expose('not_deferred', fn (): array => [
    $told(fn () => Request::current()->reply(1)),
    $told(fn () => Request::current()->fail('no')),
]);
$worker->expose('in_a_child', function (string $key) use (&$open, $told): array {
    $child = pcntl_fork();
    if ($child === 0) {
        fwrite(STDERR, $told(fn () => $open[$key]->reply('from the child')) . "\n");
        $open = [];
        exit(0);
    }
    pcntl_waitpid($child, $status);
    return [pcntl_wexitstatus($status), count($open)];
});
$worker->expose('open', function () use (&$open): array {
    return array_keys($open);
});
if ($settings['again'] ?? false) {
    register_shutdown_function($worker->run(...));
}
$worker->expose('exit', fn () => exit(3));

$worker->onMessage(function (string $name, string $text) use (&$open): void {
    foreach ($open as $request) {
        $request->reply($text);
    }
    $open = [];
});
Signal::on('USR1', $answerAll);
if ($settings['loop'] === 'run') {
    $worker->every(0.05, function () use ($settings, $answerAll): void {
        if (file_exists($settings['file'])) {
            $answerAll();
        }
    });
    exit($worker->run());
}
$worker->onPause(fn () => fwrite(STDERR, 'paused with ' . count($open) . " open\n"));
$worker->onStop(fn () => fwrite(STDERR, 'stopped with ' . count($open) . " open\n"));
do {
    $read = [$worker->stream()];
    $none = null;
} while (@stream_select($read, $none, $none, 60) !== 0 && $worker->tick(0.0));
