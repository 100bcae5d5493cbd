<?php

declare(strict_types=1);

namespace RustDaemon\Laravel\Facades;

use Illuminate\Support\Facades\Facade;
use RustDaemon\Client\ClientInterface;
use RustDaemon\Testing\FakeClient;
use RustDaemon\Testing\TestWorker;

/**
 * Asks this application's daemon.
 *
 * ```php
 * $speed = RustDaemon::call('plc.read', 'ns=2;s=Speed');
 * ```
 *
 * @method static mixed call(string $method, mixed ...$arguments)
 * @method static \RustDaemon\Client\Call begin(string $method, array $arguments = [])
 * @method static array ping()
 * @method static array status()
 * @method static array methods()
 * @method static array send(string $worker, string $name, mixed $payload = null)
 * @method static \RustDaemon\Client\ClientInterface withTimeout(?float $seconds)
 * @method static \RustDaemon\Client\ClientInterface withSession(?string $session)
 *
 * @see ClientInterface
 */
final class RustDaemon extends Facade
{
    /**
     * Puts a client without a daemon in the place of the real one, here and wherever ClientInterface is injected.
     *
     * ```php
     * $daemon = RustDaemon::fake(['plc.read' => 42]);
     * $this->get('/speed')->assertSee('42');
     * self::assertSame([['ns=2;s=Speed']], $daemon->calls('plc.read'));
     * ```
     *
     * @param array<string, mixed> $answers by method: see FakeClient::answer()
     */
    public static function fake(array $answers = []): FakeClient
    {
        $client = new FakeClient($answers);
        self::swap($client);
        return $client;
    }

    /**
     * Has commands that run as workers serve in the test's own process.
     *
     * ```php
     * RustDaemon::fakeWorker(function (TestWorker $worker): void {
     *     self::assertSame(1, $worker->client()->call('plc.count', 'pallets'));
     * });
     * $this->artisan('plc:serve')->assertSuccessful();
     * ```
     *
     * @param callable|null $whileItRuns function (TestWorker $worker): void, called in $this->worker->run(), or where a
     * loop of the command's own first asks whether to go on; then the worker stops. Without it, such a loop is ended by
     * a task: `$worker->after(5.0, $worker->stop(...))`
     */
    public static function fakeWorker(?callable $whileItRuns = null): TestWorker
    {
        $worker = new TestWorker(whileItRuns: $whileItRuns);
        self::getFacadeApplication()->instance(TestWorker::class, $worker);
        return $worker;
    }

    /**
     * Of what shouldReceive() and spy() make a mock: Client itself is final.
     */
    protected static function getMockableClass(): string
    {
        return ClientInterface::class;
    }

    protected static function getFacadeAccessor(): string
    {
        return ClientInterface::class;
    }
}
