<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PHPUnit\Framework\TestCase;
use RustDaemon\Client\ClientException;
use RustDaemon\Tests\Child;

/**
 * `artisan down` and `artisan up`, with the daemon told and not told.
 */
final class MaintenanceTest extends TestCase
{
    private const SWITCHED_ON = ['RUSTDAEMON_PAUSE_WHEN_DOWN' => 'true'];

    private App $app;
    private ?Child $child = null;

    protected function setUp(): void
    {
        $this->app = new App();
        foreach (['Plant', 'Alarm'] as $name) {
            $command = strtolower($name);
            $this->app->write("app/Commands/{$name}Command.php", "<?php namespace App\\Commands;
                final class {$name}Command extends \\Illuminate\\Console\\Command {
                    use \\RustDaemon\\Laravel\\RunsAsWorker;
                    protected \$signature = '$command:serve';
                    public function handle(): int {
                        \$this->expose('$command.wait', function (): string {
                            \$until = storage_path('release');
                            touch(storage_path('begun'));
                            while (!is_file(\$until)) { usleep(2000); }
                            return 'done';
                        });
                        return \$this->worker->run();
                    }
                }");
        }
    }

    protected function tearDown(): void
    {
        $this->app->write('storage/release', '');
        if ($this->child !== null) {
            $this->child->signal(SIGTERM);
            $this->child->eventually('the sidecar ends', fn (): bool => $this->child->ended() !== []);
        }
    }

    public function testDownPausesAndUpResumes(): void
    {
        $this->serve(self::SWITCHED_ON);
        $this->app->untilIdle($this->child, 2);
        self::assertSame(['', ['alarm' => 'paused', 'plant' => 'paused']], $this->turn('down'));
        self::assertSame(['', ['alarm' => 'idle', 'plant' => 'idle']], $this->turn('up'));
    }

    public function testItIsOffByDefault(): void
    {
        $this->serve([]);
        $this->app->untilIdle($this->child, 2);
        self::assertSame(['', ['alarm' => 'idle', 'plant' => 'idle']], $this->turn('down', []));
    }

    public function testWhoIsExceptedGoesOn(): void
    {
        $this->app->write('config/rustdaemon.php', '<?php return ["maintenance" =>
            ["pause" => true, "except" => ["alarm", "nobody"]]] + ' . self::pools() . ';');
        $this->serve([]);
        $this->app->untilIdle($this->child, 2);
        $warning = 'rustdaemon, maintenance mode: config/rustdaemon.php: maintenance: there is no pool "nobody" that '
            . "could go on\n";
        self::assertSame([$warning, ['alarm' => 'idle', 'plant' => 'paused']], $this->turn('down'));
    }

    public function testOrdersGoToTheControlSocketWhereThereIsOne(): void
    {
        $control = '"options" => ["control" => storage_path("framework/control.sock")]';
        $this->app->write('config/rustdaemon.php', "<?php return [$control] + " . self::pools() . ';');
        self::assertSame(0, $this->app->artisan(['down'])->code);
        $this->serve(self::SWITCHED_ON);
        $this->untilStates(['alarm' => 'paused', 'plant' => 'paused']);
        self::assertSame(['', ['alarm' => 'idle', 'plant' => 'idle']], $this->turn('up'));
        self::assertSame(['', ['alarm' => 'paused', 'plant' => 'paused']], $this->turn('down'));
        $ended = $this->app->artisan(['rustdaemon:reload']);
        self::assertSame(0, $ended->code, $ended->output . $ended->error);
    }

    public function testWhoStartsWhileItIsDownIsPaused(): void
    {
        self::assertSame(0, $this->app->artisan(['down'])->code);
        $this->serve(self::SWITCHED_ON);
        $this->untilStates(['alarm' => 'paused', 'plant' => 'paused']);
        $this->app->client()->call('worker.restart', 'plant');
        $this->untilStates(['alarm' => 'paused', 'plant' => 'paused']);
        self::assertSame(['', ['alarm' => 'idle', 'plant' => 'idle']], $this->turn('up'));
    }

    public function testWhatIsInHandIsFinished(): void
    {
        $this->serve(self::SWITCHED_ON);
        $this->app->untilIdle($this->child, 2);
        $answer = $this->app->client()->begin('plant.wait');
        $this->child->eventually('it has begun', fn (): bool => file_exists("{$this->app->path}/storage/begun"));
        [$said, $states] = $this->turn('down');
        self::assertSame(['alarm' => 'paused', 'plant' => 'busy'], $states);
        self::assertSame("rustdaemon, maintenance mode: plant has something in hand, which is finished first\n", $said);
        $this->app->write('storage/release', '');
        self::assertSame('done', $answer->result());
        $this->untilStates(['alarm' => 'paused', 'plant' => 'paused']);
    }

    public function testWhereNobodyListensTheApplicationGoesDownAllTheSame(): void
    {
        $ended = $this->app->artisan(['down'], self::SWITCHED_ON);
        self::assertSame(0, $ended->code);
        self::assertStringStartsWith('rustdaemon, maintenance mode: nobody listens', $ended->error);
        self::assertFileExists("{$this->app->path}/storage/framework/down");
    }

    public function testAWrongValueIsSaid(): void
    {
        $this->app->write('config/rustdaemon.php', '<?php return ["maintenance" => ["pause" => "often"]];');
        $ended = $this->app->artisan(['down']);
        $expected = 'rustdaemon, maintenance mode: config/rustdaemon.php: maintenance: {"pause":"often"} is not '
            . "possible: give [\"pause\" => true or false, \"except\" => [names of pools]]\n";
        self::assertSame([0, $expected], [$ended->code, $ended->error]);
    }

    private static function pools(): string
    {
        return '["pools" => ["plant" => ["artisan" => "plant:serve"], "alarm" => ["artisan" => "alarm:serve"]]]';
    }

    /**
     * @param array<string, string> $environment
     */
    private function serve(array $environment): void
    {
        $this->app->read('config/rustdaemon.php') !== ''
            || $this->app->write('config/rustdaemon.php', '<?php return ' . self::pools() . ';');
        $this->child = $this->app->start(['rustdaemon:run'], $environment);
    }

    /**
     * @param array<string, string> $environment
     * @return array{string, array<string, string>} what it says on standard error, and the states then
     */
    private function turn(string $command, array $environment = self::SWITCHED_ON): array
    {
        $ended = $this->app->artisan([$command], $environment);
        self::assertSame(0, $ended->code, $ended->output);
        return [$ended->error, $this->states()];
    }

    /**
     * @return array<string, string>
     */
    private function states(): array
    {
        $states = array_column($this->app->client()->status()['workers'], 'state', 'pool');
        ksort($states);
        return $states;
    }

    /**
     * @param array<string, string> $expected
     */
    private function untilStates(array $expected): void
    {
        $this->child->eventually(json_encode($expected), function () use ($expected): bool {
            try {
                return $this->states() === $expected;
            } catch (ClientException) {
                return false;
            }
        });
    }
}
