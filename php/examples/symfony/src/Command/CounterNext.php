<?php

declare(strict_types=1);

namespace App\Command;

use RustDaemon\Client\ClientInterface;
use Symfony\Component\Console\Attribute\AsCommand;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputArgument;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\OutputInterface;

/** What asks it, as a controller would. */
#[AsCommand(name: 'counter:next', description: 'Counts on by one')]
final class CounterNext extends Command
{
    public function __construct(private readonly ClientInterface $client)
    {
        parent::__construct();
    }

    protected function configure(): void
    {
        $this->addArgument('name', InputArgument::OPTIONAL, 'Which counter', 'visits');
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $output->writeln((string) $this->client->call('counter.next', $input->getArgument('name')));

        return self::SUCCESS;
    }
}
