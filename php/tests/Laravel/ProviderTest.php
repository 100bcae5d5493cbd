<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PHPUnit\Framework\TestCase;

/**
 * The provider, as Laravel finds it, and what it brings without a daemon.
 */
final class ProviderTest extends TestCase
{
    private App $app;

    protected function setUp(): void
    {
        $this->app = new App();
    }

    public function testItIsDiscovered(): void
    {
        $this->command('$client = app(\RustDaemon\Client\ClientInterface::class);
            echo get_class($client), "\n", \RustDaemon::getFacadeRoot() === $client ? "same" : "another";');
        $ended = $this->app->artisan(['try']);
        self::assertSame([0, "RustDaemon\\Client\\Client\nsame"], [$ended->code, $ended->output], $ended->error);
    }

    public function testAFakeIsEverywhere(): void
    {
        $this->command('$fake = \RustDaemon::fake(["plc.read" => 42]);
            $injected = app(\RustDaemon\Client\ClientInterface::class);
            $answers = [\RustDaemon::call("plc.read", "x"), $injected->call("plc.read", node: "y")];
            echo json_encode([...$answers, $fake->calls("plc.read")]);');
        self::assertSame('[42,42,[["x"],{"node":"y"}]]', $this->app->artisan(['try'])->output);
    }

    public function testTheConfigurationIsPublishedOnce(): void
    {
        $ended = $this->app->artisan(['vendor:publish', '--tag=rustdaemon-config']);
        self::assertSame(0, $ended->code, $ended->output . $ended->error);
        $ours = dirname(__DIR__, 2) . '/config/rustdaemon.php';
        self::assertSame(file_get_contents($ours), $this->app->read('config/rustdaemon.php'));
    }

    private function command(string $php): void
    {
        $this->app->write('app/Commands/TryCommand.php', "<?php namespace App\\Commands;
            final class TryCommand extends \\Illuminate\\Console\\Command {
                protected \$signature = 'try';
                public function handle() { $php }
            }");
    }
}
