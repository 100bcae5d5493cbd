<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

use Illuminate\Contracts\Foundation\Application;
use RustDaemon\Client\Client;
use RustDaemon\Client\ClientInterface;

/**
 * Makes clients: the application's, and those that speak with a daemon about its workers.
 *
 * The application's has one connection per process: Octane makes an application for each request, and a client in it;
 * so what is made is kept here, beyond the container. A fork and its parent have connections of their own: the client
 * itself sees to that.
 *
 * @internal
 */
final class Clients
{
    /** @var array<string, ClientInterface> */
    private static array $made = [];

    /**
     * @throws \InvalidArgumentException a key of config/rustdaemon.php has a value that it cannot have
     */
    public static function ofThisProcess(Application $app): ClientInterface
    {
        $settings = Settings::of($app);
        [$socket, $token, $timeout] = [$settings->endpoint(), $settings->token(), $settings->timeout()];
        $key = hash('sha256', serialize([$socket, $token, $timeout])); // no token in a dump of this table
        return self::$made[$key] ??= new Client($socket, $token, $timeout);
    }

    /**
     * For orders to the application's daemon, which go to its control socket where it has one.
     *
     * @throws InvalidConfiguration
     */
    public static function forOrders(Application $app, Settings $settings, ?float $timeout): ClientInterface
    {
        $control = $settings->control();
        return $control === null
            ? $app->make(ClientInterface::class)->withTimeout($timeout)
            : new Client($control, $settings->token(), $timeout);
    }

    /**
     * For a worker that speaks with the sidecar which has started it, whatever socket the configuration names.
     *
     * @throws InvalidConfiguration
     */
    public static function ofWorker(Settings $settings, float $timeout): ClientInterface
    {
        $socket = $settings->control() ?? (getenv('RUSTDAEMON_SOCKET') ?: $settings->endpoint());
        return new Client($socket, $settings->token(), $timeout);
    }
}
