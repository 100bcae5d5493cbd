<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Console;

use Closure;
use RustDaemon\Laravel\InvalidConfiguration;
use RustDaemon\Laravel\Release;
use RustDaemon\Laravel\Settings;
use RustDaemon\Laravel\Sidecar\Document;
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
        $words = $input instanceof ArgvInput ? self::words($input) : []; // Artisan::call() of one text is, too
        $at = array_search($input->getFirstArgument(), $words, true);
        if ($at !== false) {
            [$ours, $theirs] = [['', ...array_slice($words, 0, $at), $this->getName()], array_slice($words, $at + 1)];
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
     * @return list<string> as they were typed
     */
    private static function words(ArgvInput $input): array
    {
        return method_exists($input, 'getRawTokens') // since Symfony 7.1
            ? $input->getRawTokens()
            : Closure::bind(fn (): array => $this->tokens, $input, ArgvInput::class)();
    }

    /**
     * Says on standard error when the next release would not find a socket.
     *
     * @throws InvalidConfiguration
     */
    private function warnOf(Release $release, Settings $settings): void
    {
        $this->hint($release->warning($settings->socket()));
        $control = $settings->control();
        $this->hint($control === null ? null : $release->warning($control, 'options.control', 'it'));
    }

    private function hint(?string $line): void
    {
        $line === null || $this->output->getErrorStyle()->writeln($line, OutputInterface::OUTPUT_RAW);
    }

    /**
     * Why the workers of a sidecar would not start; null: nothing is wrong.
     */
    private static function missing(Document $document): ?string
    {
        return !$document->isLinked() || extension_loaded('rustdaemon') ? null : 'a worker needs the extension, which '
            . 'is not loaded: put extension=rustdaemon.so into php.ini, or say php -d extension=rustdaemon.so artisan '
            . 'rustdaemon:run';
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
