<?php

require_once __DIR__ . '/sidecar.php';

/** A sidecar that only says how it was started; returns its path. */
function fake_sidecar(string $directory): string
{
    file_put_contents("$directory/rustdaemon", <<<'SH'
        #!/bin/sh
        echo "pid $$"
        for argument; do echo "arg $argument"; done
        echo "cwd $(pwd)"
        tr '\0' '\n' < /proc/$$/environ | sed 's/^/env /'
        ls -l /proc/$$/fd
        # No child for this: the shell blocks signals while it makes one.
        while read -r name value; do
            case "$name" in SigBlk:|SigIgn:) echo "sig $name $value" ;; esac
        done < /proc/$$/status
        SH);
    chmod("$directory/rustdaemon", 0755);
    return "$directory/rustdaemon";
}

/** Runs a script that starts itself; prints the kinds of lines in $show, and that the pid stayed. */
function self_start(
    string $code,
    array $arguments = [],
    array $environment = [],
    array $options = [],
    array $show = ['arg'],
    ?string $wrapper = null,
): void {
    $directory = own_directory();
    $sidecar = fake_sidecar($directory);
    file_put_contents("$directory/script.php", "<?php\n" . $code);
    $command = [...php(...$options), '-d', "rustdaemon.sidecar=$sidecar", "$directory/script.php", ...$arguments];
    if ($wrapper !== null) {
        $command = ['/bin/sh', '-c', $wrapper, '-', ...$command];
    }
    show_self_start(['env', '-C', $directory, ...$command], $directory, $environment, $show);
}

/** Runs a command that ends in a self-start and prints what the sidecar says. */
function show_self_start(array $command, string $directory, array $environment = [], array $show = ['arg']): void
{
    preg_match('~extension=(\S*rustdaemon\S*\.so)~', implode("\n", [...$command, ...php()]), $extension);
    ob_start();
    run_command($command, $environment + ['LANG' => 'C']);
    $pids = [];
    foreach (explode("\n", rtrim(ob_get_clean(), "\n")) as $line) {
        if (preg_match('~ (\d+) -> (.+)$~', $line, $file)) {
            // The shell's own file is the sidecar's script.
            $line = $file[2] === "$directory/rustdaemon" ? 'fd' : "fd $file[1] $file[2]";
        }
        [$kind, $rest] = explode(' ', $line, 2) + [1 => ''];
        $line = strtr($line, [$extension[1] => 'EXTENSION', $directory => 'DIRECTORY', PHP_BINARY => 'PHP_BINARY']);
        if ($kind === 'pid') {
            $pids[] = $rest;
        } elseif ($kind === 'env') {
            // Only what the test sets: the rest is this machine's.
            if (in_array('env', $show) && preg_match('/^(CHANGED|EMPTY|ADDED|RUSTDAEMON\w*|PATH)=/', $rest)) {
                echo $rest === 'PATH=' . getenv('PATH') ? 'env PATH as at the start' : $line, "\n";
            }
        } elseif (in_array($kind, $show) && $line !== 'fd' || !in_array($kind, ['arg', 'cwd', 'fd', 'sig', 'total'])) {
            echo preg_replace(['/pipe:\[\d+\]/', '~/\S+/php\w{6,}$~'], ['pipe', 'FILE'], $line), "\n";
        }
    }
    if (count($pids) > 1) {
        echo count(array_unique($pids)) === 1 ? "the same pid\n" : "another pid\n";
    }
}
