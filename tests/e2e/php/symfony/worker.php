<?php

declare(strict_types=1);

// A worker that runs a console command of Symfony's inside a request.

use RustDaemon\Worker;
use Symfony\Component\Console\Application;
use Symfony\Component\Console\Input\ArrayInput;
use Symfony\Component\Console\Output\BufferedOutput;

require 'Symfony/Component/Console/autoload.php';
require __DIR__ . '/Nested.php';

$worker = Worker::install();

// Runs it as a console does ($how: 'application'), or by itself ('command').
$worker->expose('nested', function (string $how, array $signals, string $gate = ''): string {
    $command = new Nested(array_map('constant', $signals), $gate);
    $output = new BufferedOutput();
    if ($how === 'command') {
        $command->run(new ArrayInput([]), $output);
    } else {
        $application = new Application();
        $application->setAutoExit(false);
        // Symfony 7.4 calls add() deprecated.
        method_exists($application, 'addCommand') ? $application->addCommand($command) : $application->add($command);
        $application->run(new ArrayInput(['command' => 'nested']), $output);
    }
    return $output->fetch();
});
// What a console has left behind for pcntl.
$worker->expose('left', function (string $signal): string {
    $left = pcntl_signal_get_handler(constant($signal));
    return match ($left) {
        SIG_DFL => 'the default',
        SIG_IGN => 'ignored',
        default => 'a callable',
    };
});
// What the console of Symfony 6.4 and 7.4 does last, when the command has ended.
$worker->expose('restore', function (string ...$signals): string {
    foreach ($signals as $signal) {
        pcntl_signal(constant($signal), SIG_DFL);
    }
    return 'restored';
});
$worker->expose('hold', function (string $gate): string {
    file_get_contents($gate);
    return 'held';
});
exit($worker->run());
