<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Console;

use RustDaemon\Internal\ExitCode;
use Symfony\Component\Console\Exception\ExceptionInterface;
use Symfony\Component\Console\Formatter\OutputFormatter;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\ConsoleOutputInterface;
use Symfony\Component\Console\Output\OutputInterface;

/**
 * A command whose bad input is one sentence on standard error and a code of ExitCode, not a box and 1.
 *
 * What the command throws while it works is Laravel's to report, as ever.
 *
 * @internal
 */
trait OneSentence
{
    /**
     * Whether what was typed has been understood.
     */
    private bool $isUnderstood = false;

    public function run(InputInterface $input, OutputInterface $output): int
    {
        $this->isUnderstood = false;
        try {
            return parent::run($input, $output);
        } catch (Refusal $why) {
            return self::refuse($output, $why->getMessage(), $why->exitCode);
        } catch (ExceptionInterface $why) {
            $this->isUnderstood && throw $why;
            return self::refuse($output, $why->getMessage(), ExitCode::USAGE);
        }
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $this->isUnderstood = true;
        return parent::execute($input, $output);
    }

    private static function refuse(OutputInterface $output, string $sentence, int $code): int
    {
        $error = $output instanceof ConsoleOutputInterface ? $output->getErrorOutput() : $output;
        $error->writeln('<error>' . OutputFormatter::escape($sentence) . '</error>', OutputInterface::VERBOSITY_QUIET);
        return $code;
    }
}
