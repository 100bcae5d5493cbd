<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

use RustDaemon\Laravel\Console\OneSentence;
use RustDaemon\Laravel\Console\Refusal;
use RustDaemon\Testing\TestWorker;
use RustDaemon\Worker;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\OutputInterface;
use Throwable;

/**
 * Makes an artisan command a worker of the sidecar. This line is all that it takes:
 *
 * ```php
 * final class OpcuaSession extends Command
 * {
 *     use RunsAsWorker;
 *
 *     protected $signature = 'opcua:session';
 *
 *     public function handle(Plc $plc): int
 *     {
 *         $this->worker->expose('plc.read', $plc->read(...));
 *
 *         return $this->worker->run();       // or, in a loop of its own: while (! $this->worker->shouldStop()) { ... }
 *     }
 * }
 * ```
 *
 * The command has the options --socket, --socket-mode, --log-channel and --cache-store then, besides its own: what it
 * declares under such a name itself means what the command says. They are checked, and Worker::install() is passed,
 * before handle() is called and anything that it asks for is made: started by hand, the process becomes a sidecar
 * there, which starts the command again as its worker. --log-channel and --cache-store are the process's default
 * channel and store from then on, so that Log::info() goes where it says.
 *
 * Bad input is one sentence and exit code 100: it does not help to start the command again.
 */
trait RunsAsWorker
{
    use OneSentence {
        execute as private handleIt;
    }

    /**
     * This process as a worker; in tests what RustDaemon::fakeWorker() has made.
     */
    protected Worker|TestWorker $worker;

    private ?WorkerOptions $workerOptions = null;

    public function setLaravel($laravel): void
    {
        parent::setLaravel($laravel);
        $this->workerOptions ??= WorkerOptions::offer($this->getDefinition()); // a second time all would be its own
    }

    /**
     * What counts where no option says otherwise; what is not named here is as config/rustdaemon.php has it.
     *
     * ```php
     * return ['socket' => config('opcua.socket'), 'log_channel' => $this->option('log-channel')];
     * ```
     *
     * So an option that the command declares itself counts too, where it means the same.
     *
     * @return array{name?: ?string, socket?: ?string, socket_mode?: int|string|null, token?: ?string, workers?: int,
     * log_channel?: ?string, cache_store?: ?string}
     */
    protected function workerDefaults(): array
    {
        return [];
    }

    /**
     * Why the command is not to start, in one sentence: options of its own are checked here, before the process becomes
     * anything else. Null: nothing is wrong.
     */
    protected function workerRefusal(): ?string
    {
        return null;
    }

    /**
     * As Worker::expose(); fresh: whatever a handler has done to the application, this one does not find it: see Fresh.
     *
     * @param callable $handler gets the arguments of the request
     */
    protected function expose(
        string $method,
        callable $handler,
        ?string $description = null,
        bool $idempotent = false,
        bool $fresh = false,
    ): Worker|TestWorker {
        $handler = $fresh ? Fresh::handler($handler) : $handler;
        return $this->worker->expose($method, $handler, $description, $idempotent);
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $refusal = $this->workerRefusal();
        $refusal === null || throw Refusal::usage($refusal);
        $gate = $this->laravel->make(Gate::class);
        $this->worker = $gate->pass($this->workerOptions->typed($input), $this->workerDefaults());
        try {
            $code = $this->handleIt($input, $output);
        } catch (Throwable $why) {
            $gate->leave($this->worker, $why);
            throw $why;
        }
        $gate->leave($this->worker);
        return $code;
    }
}
