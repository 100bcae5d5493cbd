<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PHPUnit\Framework\TestCase;
use RustDaemon\Laravel\Settings;

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

    public function testComposerInstallsWhatLaravelFinds(): void
    {
        exec('command -v composer', $path, $code);
        $code === 0 || self::markTestSkipped('composer is not installed');
        unlink("{$this->app->path}/vendor/composer/installed.json");
        $package = dirname(__DIR__, 2);
        $this->app->write('composer.json', json_encode([
            'repositories' => [['packagist.org' => false], ['type' => 'path', 'url' => $package]],
            'require' => ['rustdaemon/rustdaemon' => '@dev'],
            'autoload' => ['psr-4' => ['App\\' => 'app/']],
        ]));
        $environment = ['COMPOSER_ALLOW_SUPERUSER' => '1', 'COMPOSER_HOME' => "{$this->app->path}/home"];
        $ended = $this->app->run([$path[0], 'install', '--no-interaction', '--quiet'], $environment);
        self::assertSame(0, $ended->code, $ended->output . $ended->error);
        $this->command('$fake = \RustDaemon::fake(["x" => 1]);
            echo json_encode([$fake->call("x"), class_exists(\RustDaemon\Lock::class)]);');
        $ended = $this->app->artisan(['try'], ['RUSTDAEMON_PACKAGE' => '/nowhere']);
        self::assertSame('[1,true]', $ended->output, $ended->error);
    }

    public function testTheClientOutlivesTheApplicationThatItWasMadeIn(): void
    {
        $this->command('$client = app(\RustDaemon\Client\ClientInterface::class);
            $octanes = clone app(); $octanes->forgetInstance(\RustDaemon\Client\ClientInterface::class);
            $octanes->make("config")->set("rustdaemon.timeout", 30.0);
            $same = $octanes->make(\RustDaemon\Client\ClientInterface::class) === $client;
            $octanes->forgetInstance(\RustDaemon\Client\ClientInterface::class);
            $octanes->make("config")->set("rustdaemon.timeout", 1.0);
            echo json_encode([$same, $octanes->make(\RustDaemon\Client\ClientInterface::class) === $client]);');
        self::assertSame('[true,false]', $this->app->artisan(['try'])->output);
    }

    public function testAShortNameThatTheApplicationHasIsItsOwn(): void
    {
        $this->app->write('app/Commands/StatusCommand.php', '<?php namespace App\Commands;
            #[\Symfony\Component\Console\Attribute\AsCommand(name: "daemon:status")]
            final class StatusCommand extends \Illuminate\Console\Command {
                protected $signature = "daemon:status";
                public function handle() { echo "mine"; }
            }');
        self::assertSame('mine', $this->app->artisan(['daemon:status'])->output);
        self::assertSame(111, $this->app->artisan(['rustdaemon:status'])->code);
        self::assertSame(111, $this->app->artisan(['daemon:stop'])->code);
    }

    public function testAFakeIsEverywhere(): void
    {
        $this->command('$fake = \RustDaemon::fake(["plc.read" => 42]);
            $injected = app(\RustDaemon\Client\ClientInterface::class);
            $answers = [\RustDaemon::call("plc.read", "x"), $injected->call("plc.read", node: "y")];
            echo json_encode([...$answers, $fake->calls("plc.read")]);');
        self::assertSame('[42,42,[["x"],{"node":"y"}]]', $this->app->artisan(['try'])->output);
    }

    public function testTheStatusOfAFakeWasAnUndefinedKey(): void
    {
        $this->command('\RustDaemon::fake(); echo $this->call("rustdaemon:status");');
        $ended = $this->app->artisan(['try']);
        self::assertSame([0, ''], [$ended->code, $ended->error]);
        self::assertMatchesRegularExpression('/^rustdaemon fake  pid \d+  running for .*\n0$/s', $ended->output);
    }

    public function testTheConfigurationIsPublishedOnce(): void
    {
        $ended = $this->app->artisan(['vendor:publish', '--tag=rustdaemon-config']);
        self::assertSame(0, $ended->code, $ended->output . $ended->error);
        $ours = dirname(__DIR__, 2) . '/config/rustdaemon.php';
        self::assertSame(file_get_contents($ours), $this->app->read('config/rustdaemon.php'));
    }

    public function testEveryKeyOfThePublishedFileIsKnown(): void
    {
        $keys = (new \ReflectionClassConstant(Settings::class, 'KEYS'))->getValue();
        $this->command('echo json_encode(array_keys(config("rustdaemon")));');
        self::assertSame(json_encode($keys), $this->app->artisan(['try'])->output);
    }

    public function testAConfigurationThatWasCachedBeforeThePackageCameHasItsDefaults(): void
    {
        $this->app->write('app/Commands/TryCommand.php', '<?php namespace App\Commands;
            final class TryCommand extends \Illuminate\Console\Command {
                protected $signature = "try";
                public function handle() {
                    try {
                        \RustDaemon::call("x");
                    } catch (\RustDaemon\Client\ClientException $why) {
                        echo $why->getMessage(), "\n";
                    }
                    $child = \RustDaemon\Process::fork(static function (): void {
                        echo "child\n";
                    })->wait();
                    echo $child->code;
                }
            }');
        self::assertSame(0, $this->app->artisan(['config:cache'])->code);
        $cached = require "{$this->app->path}/bootstrap/cache/config.php";
        unset($cached['rustdaemon']);
        $this->app->write('bootstrap/cache/config.php', '<?php return ' . var_export($cached, true) . ';');
        $ended = $this->app->artisan(['try']);
        self::assertStringContainsString($this->app->socket(), $ended->output, $ended->error);
        self::assertStringEndsWith("child\n0", $ended->output, $ended->error);
        foreach (['down', 'up'] as $turn) {
            $ended = $this->app->artisan([$turn]);
            self::assertSame([0, ''], [$ended->code, $ended->error]);
        }
    }

    public function testAnEmptyTimeLimitIsNoneAsItsPageSays(): void
    {
        $this->app->write('.env', "RUSTDAEMON_TIMEOUT=\n");
        $this->command('echo json_encode(\RustDaemon\Laravel\Settings::of(app())->timeout());');
        self::assertSame('null', $this->app->artisan(['try'])->output);
    }

    public function testAFileThatReturnsNoArrayIsOneSentenceOfThoseWhoNeedIt(): void
    {
        $this->app->write('config/rustdaemon.php', '<?php return 1;');
        self::assertSame(0, $this->app->artisan(['list'])->code);
        $ended = $this->app->artisan(['rustdaemon:status']);
        self::assertSame([100, "config/rustdaemon.php does not return an array\n"], [$ended->code, $ended->error]);
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
