<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

use RustDaemon\Laravel\Console\Refusal;
use Symfony\Component\Console\Input\InputDefinition;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Input\InputOption;

/**
 * The options that a command gets by being a worker. One of their names that the command declares itself is not among
 * them: it may be a flag, or mean something else.
 *
 * @internal
 */
final class WorkerOptions
{
    private const TEXTS = [
        'socket' => 'Path of the Unix socket (default: socket of config/rustdaemon.php)',
        'socket-mode' => 'Octal mode of the socket, such as 0660 (default: socket_mode of config/rustdaemon.php)',
        'log-channel' => 'Channel of config/logging.php for all that this worker logs',
        'cache-store' => 'Store of config/cache.php for all that this worker caches',
    ];

    /**
     * @param list<string> $names
     */
    private function __construct(private readonly array $names)
    {
    }

    /**
     * Adds those that the command does not declare itself.
     */
    public static function offer(InputDefinition $definition): self
    {
        $texts = array_diff_key(self::TEXTS, $definition->getOptions());
        foreach ($texts as $name => $text) {
            $definition->addOption(new InputOption($name, null, InputOption::VALUE_REQUIRED, $text));
        }
        return new self(array_keys($texts));
    }

    /**
     * What the user has typed of those that were added, by the key of config/rustdaemon.php.
     *
     * @return array<string, string>
     * @throws Refusal one has no value
     */
    public function typed(InputInterface $input): array
    {
        $typed = [];
        foreach ($this->names as $name) {
            $value = $input->getOption($name);
            if ($value === '' || ($value === null && $input->hasParameterOption("--$name", true))) {
                throw Refusal::usage("--$name wants a value.");
            }
            if ($value !== null) {
                $typed[strtr($name, '-', '_')] = $value;
            }
        }
        return $typed;
    }
}
