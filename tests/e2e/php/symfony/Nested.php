<?php

declare(strict_types=1);

use Symfony\Component\Console\Command\{Command, SignalableCommandInterface};
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\OutputInterface;

/** What the two commands below have in common: they wait at a gate (a FIFO, "" for none), subscribed to signals. */
abstract class Waiting extends Command
{
    public function __construct(private readonly array $signals, private readonly string $gate)
    {
        parent::__construct('nested');
    }

    public function getSubscribedSignals(): array
    {
        return $this->signals;
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        if ($this->gate !== '') {
            file_get_contents($this->gate);
        }
        $output->write('it ran');
        return self::SUCCESS;
    }

    protected function note(int $signal): void
    {
        fwrite(STDERR, "the command got signal $signal\n");
    }
}

// Symfony 5 and the later ones want different signatures, of which none fits both.
if ((string) (new ReflectionMethod(SignalableCommandInterface::class, 'handleSignal'))->getReturnType() === 'void') {
    final class Nested extends Waiting implements SignalableCommandInterface
    {
        public function handleSignal(int $signal): void
        {
            $this->note($signal);
        }
    }
} else {
    final class Nested extends Waiting implements SignalableCommandInterface
    {
        public function handleSignal(int $signal, int|false $previousExitCode = 0): int|false
        {
            $this->note($signal);
            return false;
        }
    }
}
