<?php

declare(strict_types=1);

namespace RustDaemon\Symfony;

use RustDaemon\Exception\DaemonException;
use RustDaemon\Internal\ExitCode;
use RustDaemon\Internal\Extension;
use RustDaemon\Signal;
use RustDaemon\Worker;
use Symfony\Component\Console\Application;
use Symfony\Component\Console\Command\SignalableCommandInterface;
use Symfony\Component\Console\Exception\RuntimeException;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Input\InputOption;

/**
 * Makes a console command a worker of the sidecar:
 *
 * ```php
 * #[AsCommand('plc:serve')]
 * final class PlcServe extends Command
 * {
 *     use RunsAsWorker;
 *
 *     protected function execute(InputInterface $input, OutputInterface $output): int
 *     {
 *         $worker = $this->worker($input, socket: '/run/plc/plc.sock');
 *         $worker->expose('plc.read', $this->plc->read(...));
 *
 *         return $worker->run();           // or, in a loop of its own: while (!$worker->shouldStop()) { ... }
 *     }
 * }
 * ```
 *
 * The command has the options --socket and --socket-mode then, besides its own. Open nothing before worker(): started
 * by hand, the process becomes a sidecar there, which starts the command again as its worker. Without a socket in
 * either place it runs alone, and nobody can call it.
 *
 * Signals: from worker() on SIGTERM, SIGINT and SIGQUIT are the worker's, also where Symfony's console has taken them
 * for its listeners, and end run() between two requests. Of a command that subscribes to one of them (it is a
 * SignalableCommandInterface) handleSignal() is called then, once, at the end: after the request in hand, not in the
 * middle of it. Its other signals stay as they are.
 *
 * For Symfony 5.4 and later, and a command that extends Command; in any other, call Worker::install() itself.
 */
trait RunsAsWorker
{
    /** @var array<string, true> the options that are ours, by name */
    private array $workerOptions = [];

    /**
     * Called by the console: adds the options that the command does not have itself.
     */
    public function setApplication(?Application $application = null): void
    {
        parent::setApplication($application);
        $options = [
            'socket' => 'Path of the Unix socket',
            'socket-mode' => 'Octal mode of the socket, such as 0660',
        ];
        foreach (array_diff_key($options, $this->getDefinition()->getOptions()) as $name => $text) {
            $this->addOption($name, null, InputOption::VALUE_REQUIRED, $text);
            $this->workerOptions[$name] = true;
        }
    }

    /**
     * Waits until this process is let in as a worker; or becomes the sidecar, and does not return: see
     * Worker::install().
     *
     * @param InputInterface $input its --socket and --socket-mode come before $socket and $mode, where the command does
     * not declare an option of that name itself: that may mean something else
     * @throws RuntimeException one sentence; its code, which is the command's exit code, is 100 when to start the
     * command again does not help, 111 when it may
     */
    protected function worker(
        InputInterface $input,
        ?string $name = null,
        ?string $socket = null,
        int|string $mode = 0600,
        ?string $token = null,
        int $workers = 1,
    ): Worker {
        $typed = fn (string $name): ?string => isset($this->workerOptions[$name]) ? $input->getOption($name) : null;
        $socket = $typed('socket') ?? $socket;
        $mode = $typed('socket-mode') ?? $mode;
        try {
            Extension::check();
            $worker = Worker::install($name, $socket, $mode, $token, $workers);
        } catch (DaemonException $why) {
            throw new RuntimeException($why->getMessage(), ExitCode::ofTheGate($why));
        }
        $this->sayGoodBye($worker);
        return $worker;
    }

    private function sayGoodBye(Worker $worker): void
    {
        $subscribed = $this instanceof SignalableCommandInterface ? $this->getSubscribedSignals() : [];
        $stops = array_values(array_intersect([Signal::TERM, Signal::INT, Signal::QUIT], $subscribed));
        if ($stops !== []) {
            $hasCome = static fn (int $signal): bool => Signal::last($signal) !== null;
            $worker->onStop(fn () => $this->handleSignal(current(array_filter($stops, $hasCome)) ?: $stops[0]));
        }
    }
}
