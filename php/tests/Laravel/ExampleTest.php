<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PHPUnit\Framework\TestCase;
use RustDaemon\Client\RemoteException;
use RustDaemon\Tests\Child;

/**
 * php/examples/artisan, as its README starts it; the plant is away.
 */
final class ExampleTest extends TestCase
{
    public function testTheCommandServesWithThePlantAway(): void
    {
        $app = new App(); // for its directory
        $environment = [
            'LARAVEL_STORAGE_PATH' => "$app->path/storage",
            'OPCUA_SOCKET_PATH' => $app->socket(),
            'OPCUA_AUTH_TOKEN' => 's3cret',
            'OPCUA_PYTHON' => '/bin/false',
        ];
        $artisan = [...$app->php(), dirname(__DIR__, 2) . '/examples/artisan'];
        $words = ['opcua:session', '--socket-mode=0660', '--log-channel=opcua', '--cache-store=array'];
        $child = new Child([...$artisan, ...$words], "$app->path/out", $environment);
        $app->untilIdle($child, token: 's3cret');
        $client = $app->client('s3cret');
        self::assertFalse($client->call('opcua.status')['open']);
        try {
            $client->call('opcua.read', 'ns=2;s=Counter');
            self::fail('no exception');
        } catch (RemoteException $why) {
            self::assertSame('ConnectionException', $why->class);
        }
        self::assertCount(1, glob("$app->path/storage/logs/opcua-*.log"));
        $ended = $app->run([...$artisan, 'rustdaemon:stop'], $environment);
        self::assertSame([0, "stopping\n"], [$ended->code, $ended->output], $ended->error);
        $child->eventually('it ends', static fn (): bool => !file_exists($app->socket()));
    }
}
