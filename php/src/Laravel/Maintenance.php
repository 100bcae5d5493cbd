<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

use Illuminate\Contracts\Foundation\Application;
use InvalidArgumentException;
use RustDaemon\Client\ClientException;
use RustDaemon\Client\ClientInterface;
use RustDaemon\Client\TimedOut;
use RustDaemon\Laravel\Events\WorkerStarted;

/**
 * `artisan down` pauses the pools and `artisan up` lets them go on, where `maintenance` of config/rustdaemon.php says
 * so.
 *
 * A worker that starts while the application is down asks for its own pause: so the order of a sidecar's start and
 * of `artisan down` does not matter. `queue:work` is left out: in maintenance mode Laravel itself takes no job, unless
 * it was started with --force.
 *
 * What goes wrong is said on standard error: the application is down, or up, all the same.
 *
 * @internal
 */
final class Maintenance
{
    /** How long `artisan down` waits for what workers have in hand; they are paused when that is done. */
    private const PATIENCE_SECONDS = 5.0;

    /** Kept: with it goes what it has asked for. */
    private static ?ClientInterface $ofWorker = null;

    public function __construct(private readonly Application $app)
    {
    }

    public function pause(): void
    {
        $this->tell('worker.pause');
    }

    public function resume(): void
    {
        $this->tell('worker.resume');
    }

    private function tell(string $order): void
    {
        try {
            $settings = Settings::of($this->app);
            if ($settings->pausesInMaintenance()) {
                $client = Clients::forOrders($this->app, $settings, self::PATIENCE_SECONDS);
                $this->order($client, $order, $this->pools($client, $settings->goOnInMaintenance()));
            }
        } catch (ClientException | InvalidArgumentException $why) {
            $this->say($why->getMessage());
        }
    }

    /**
     * @param list<string> $pools
     */
    private function order(ClientInterface $client, string $order, array $pools): void
    {
        $calls = [];
        foreach ($pools as $pool) {
            $calls[$pool] = $client->begin($order, [$pool]);
        }
        foreach ($calls as $pool => $call) {
            try {
                $call->result();
            } catch (TimedOut) {
                $this->say("$pool has something in hand, which is finished first");
            }
        }
    }

    /**
     * A worker has been let in. It does not wait for the answer: it is paused when it serves.
     */
    public function join(WorkerStarted $event): void
    {
        $worker = $event->worker;
        try {
            $settings = Settings::of($this->app);
            // Asked last: an application without Laravel's Foundation provider cannot be down.
            if (
                !$worker->supervised() || !$settings->pausesInMaintenance() || !$this->app->isDownForMaintenance()
            ) {
                return;
            }
            $client = self::$ofWorker = Clients::ofWorker($settings, self::PATIENCE_SECONDS);
            if (in_array($worker->name, $this->pools($client, $settings->goOnInMaintenance()), true)) {
                $name = ["$worker->name#$worker->slot"];
                $client->begin('worker.pause', $name);
                $this->app->isDownForMaintenance() || $client->begin('worker.resume', $name); // up in this moment
            }
        } catch (ClientException | InvalidArgumentException $why) {
            $this->say($why->getMessage());
        }
    }

    /**
     * Those that are to pause.
     *
     * @param list<string> $except
     * @return list<string>
     */
    private function pools(ClientInterface $client, array $except): array
    {
        $pools = $client->status()['pools'];
        foreach (array_diff($except, array_column($pools, 'name')) as $unknown) {
            $this->say("config/rustdaemon.php: maintenance: there is no pool \"$unknown\" that could go on");
        }
        $pauses = static fn (array $pool): bool => $pool['link'] && !in_array('queue:work', $pool['command'], true)
            && !in_array($pool['name'], $except, true);
        return array_column(array_filter($pools, $pauses), 'name');
    }

    private function say(string $why): void
    {
        file_put_contents('php://stderr', "rustdaemon, maintenance mode: $why\n"); // there may be no STDERR
    }
}
