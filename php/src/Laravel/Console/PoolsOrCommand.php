<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Console;

use RustDaemon\Laravel\Release;
use Symfony\Component\Console\Input\ArgvInput;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\OutputInterface;

/**
 * A command whose words are names of pools, or one artisan command with its arguments and options.
 *
 * @internal
 */
trait PoolsOrCommand
{
    use OneSentence {
        run as private runAsTyped;
    }

    /**
     * What follows the name of a command is that command's, options included.
     */
    public function run(InputInterface $input, OutputInterface $output): int
    {
        $words = $_SERVER['argv'] ?? [];
        $at = array_search($input->getFirstArgument(), $words, true);
        if ($input instanceof ArgvInput && $at !== false) {
            [$ours, $theirs] = [[...array_slice($words, 0, $at), $this->getName()], array_slice($words, $at + 1)];
            while (str_starts_with($theirs[0] ?? '', '-') && $theirs[0] !== '--') {
                $ours[] = $option = array_shift($theirs);
                if ($theirs !== [] && $this->wantsTheNextWord($option)) {
                    $ours[] = array_shift($theirs);
                }
            }
            $isCommand = isset($theirs[0]) && $theirs[0] !== '--' && !$this->isPool($theirs[0]);
            $input = new ArgvInput([...$ours, ...($isCommand ? ['--'] : []), ...$theirs]);
        }
        return $this->runAsTyped($input, $output);
    }

    /**
     * Says on standard error when the next release would not find the socket.
     */
    private function warnOf(Release $release, string $socket): void
    {
        $warning = $release->warning($socket);
        $warning === null || $this->output->getErrorStyle()->writeln($warning, OutputInterface::OUTPUT_RAW);
    }

    private function wantsTheNextWord(string $option): bool
    {
        $name = substr($option, 2);
        foreach ([$this->getDefinition(), $this->getApplication()->getDefinition()] as $definition) {
            if ($definition->hasOption($name)) {
                return $definition->getOption($name)->acceptValue();
            }
        }
        return false;
    }

    private function isPool(string $word): bool
    {
        $pools = $this->laravel->make('config')->get('rustdaemon.pools');
        return is_array($pools) && isset($pools[$word]);
    }
}
