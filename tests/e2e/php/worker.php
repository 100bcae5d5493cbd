<?php

declare(strict_types=1);

// A worker for tests. Its one argument is JSON: what install() is given. Whatever a script may do before install()
// that must not reach the sidecar or the next worker, it does.

$born = ['cwd' => getcwd(), 'mark' => getenv('MARK'), 'argv' => $argv, 'link' => getenv('RUSTDAEMON_LINK')];
$leak = fopen(__FILE__, 'r');
chdir('/');
putenv('MARK=changed by the script');
putenv('RUSTDAEMON_SOCKET=/changed/by/the/script');
if (getenv('TITLE') !== false) {
    cli_set_process_title(getenv('TITLE'));
}
echo "before install\n";

$worker = RustDaemon\Worker::install(...json_decode($argv[1] ?? '{}', true, flags: JSON_THROW_ON_ERROR));

$worker->expose('echo', fn (mixed ...$args): array => $args);
$worker->expose('read', fn (string $node, int $attribute = 13): string => "$node#$attribute");
$worker->expose('pid', fn (): int => getmypid());
$worker->expose('born', fn (): array => $born);
$worker->expose('me', fn (): array => [
    'name' => $worker->name,
    'slot' => $worker->slot,
    'generation' => $worker->generation,
    'supervised' => $worker->supervised(),
    'same' => $worker === RustDaemon\Worker::install(),
]);
$worker->expose('hold', function (string $fifo): string {
    file_get_contents($fifo);
    return 'held';
});
$worker->expose('throw', fn (string $class, string $message) => throw new $class($message));
$worker->expose('value', fn (string $php): mixed => eval("return $php;"));
$worker->expose('exit', fn (int $code) => exit($code));
$worker->expose('fatal', fn (): string => str_repeat('x', PHP_INT_MAX >> 8));
$worker->expose('shell', fn (string $command): ?string => shell_exec($command));
$worker->expose('proc', function (array $command): array {
    $process = proc_open($command, [1 => ['pipe', 'w'], 2 => ['pipe', 'w']], $pipes);
    $out = [stream_get_contents($pipes[1]), stream_get_contents($pipes[2])];
    return [...$out, proc_close($process)];
});
$worker->expose('variables', fn (): array => [
    'getenv' => getenv('RUSTDAEMON_LINK'),
    '_SERVER' => $_SERVER['RUSTDAEMON_LINK'] ?? false,
    '_ENV' => $_ENV['RUSTDAEMON_LINK'] ?? false,
    'run' => getenv('RUSTDAEMON_RUN'),
]);

if (getenv('DROP') !== false) {
    posix_setuid((int) getenv('DROP'));
}
echo "installed\n";
$code = $worker->run();
echo "after run\n";
exit($code);
