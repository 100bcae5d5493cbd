<?php

declare(strict_types=1);

namespace App\Command;

use RustDaemon\Symfony\RunsAsWorker;
use Symfony\Component\Console\Attribute\AsCommand;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\OutputInterface;

/** The worker: it counts, from request to request. */
#[AsCommand(name: 'counter:serve', description: 'Counts for whoever asks on the socket')]
final class CounterServe extends Command
{
    use RunsAsWorker;

    /** @var array<string, int> */
    private array $counters = [];

    public function __construct(private readonly string $socket)
    {
        parent::__construct();
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $worker = $this->worker($input, socket: $this->socket);
        $worker->expose('counter.next', fn (string $name, int $step = 1): int
            => $this->counters[$name] = ($this->counters[$name] ?? 0) + $step);
        $worker->onStart(fn () => $output->writeln('<info>counting</info>'));

        return $worker->run();
    }
}
