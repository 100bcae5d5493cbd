<?php

declare(strict_types=1);

namespace RustDaemon\Tests;

use RuntimeException;

/**
 * ext-rustdaemon as another version of it might be, for the PHP that runs the tests: fixtures/extension.c, compiled.
 */
final class OtherExtension
{
    public readonly string $path;
    private readonly Directory $directory;

    public function __construct(string $version)
    {
        $this->directory = new Directory();
        $this->path = "{$this->directory->path}/rustdaemon.so";
        $includes = explode(' ', rtrim((string) shell_exec('php-config --includes')));
        $source = __DIR__ . '/fixtures/extension.c';
        $compile = ['cc', '-shared', '-fPIC', "-DVERSION=\"$version\"", ...$includes, '-o', $this->path, $source];
        $cc = proc_open($compile, [['file', '/dev/null', 'r'], ['pipe', 'w'], ['redirect', 1]], $pipes)
            ?: throw new RuntimeException('cannot start cc');
        $said = stream_get_contents($pipes[1]);
        proc_close($cc) === 0 || throw new RuntimeException("cc: $said");
    }
}
