<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Console;

use Illuminate\Console\Command;
use RustDaemon\Client\Client;
use RustDaemon\Client\ClientException;
use RustDaemon\Client\ClientInterface;
use RustDaemon\Internal\ExitCode;
use RustDaemon\Laravel\Clients;
use RustDaemon\Laravel\InvalidConfiguration;
use RustDaemon\Laravel\Settings;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Input\InputOption;
use Symfony\Component\Console\Output\OutputInterface;

/**
 * What the commands have in common that ask the daemon: no binary is needed, only its socket.
 *
 * @internal
 */
abstract class DaemonCommand extends Command
{
    use OneSentence {
        execute as private work;
    }

    /**
     * Seconds for the answer where --timeout says nothing: a request may have to be finished first.
     */
    protected const PATIENCE_SECONDS = 120.0;

    protected function configure(): void
    {
        $text = InputOption::VALUE_REQUIRED;
        $this->addOption('json', null, InputOption::VALUE_NONE, 'For scripts');
        $this->addOption('socket', null, $text, 'Where the daemon listens (default: socket of config/rustdaemon.php)');
        $patience = static::PATIENCE_SECONDS;
        $this->addOption('timeout', null, $text, 'Seconds to wait for the answer', (string) $patience);
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        try {
            return $this->work($input, $output);
        } catch (InvalidConfiguration $why) {
            throw Refusal::usage($why->getMessage());
        } catch (ClientException $why) {
            throw Refusal::ofTheClient($why);
        }
    }

    /**
     * @throws InvalidConfiguration
     * @throws ClientException
     */
    protected function client(): ClientInterface
    {
        $typed = array_filter(
            ['socket' => $this->option('socket'), 'timeout' => $this->option('timeout')],
            static fn (?string $value): bool => $value !== null,
        );
        $settings = Settings::of($this->laravel)->typed($typed);
        $timeout = $settings->timeout();
        return $this->option('socket') === null
            ? Clients::forOrders($this->laravel, $settings, $timeout)
            : new Client($settings->endpoint(), $settings->token(), $timeout);
    }

    /**
     * Prints the answer as JSON, when that was asked for; whether it was.
     */
    protected function printed(mixed $answer): bool
    {
        if ($this->option('json')) {
            $this->output->writeln(json_encode($answer, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE
                | JSON_PRESERVE_ZERO_FRACTION | JSON_THROW_ON_ERROR), OutputInterface::OUTPUT_RAW);
            return true;
        }
        return false;
    }

    /**
     * Prints lines as they are: what workers have written may look like markup.
     *
     * @param list<string> $lines
     */
    protected function lines(array $lines): void
    {
        $this->output->writeln($lines, OutputInterface::OUTPUT_RAW);
    }

    /**
     * Prints what workers have come to.
     *
     * @param array{workers: list<array{name: string, state: string, pid?: int}>} $told
     */
    protected function told(array $told): int
    {
        $line = static fn (array $worker): string => "{$worker['name']} is {$worker['state']}"
            . (isset($worker['pid']) ? " (pid {$worker['pid']})" : '');
        $this->printed($told) || $this->lines(array_map($line, $told['workers']));
        return ExitCode::DONE;
    }
}
