<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PHPUnit\Framework\TestCase;

/**
 * What the facade gives to an application's tests, in the process of an artisan command.
 */
final class FakesTest extends TestCase
{
    private const COMMAND = <<<'PHP'
        <?php

        namespace App\Commands;

        final class CountCommand extends \Illuminate\Console\Command
        {
            use \RustDaemon\Laravel\RunsAsWorker;

            protected $signature = 'plc:serve';

            public function handle(): int
            {
                $count = 0;
                $this->worker->expose('plc.count', function () use (&$count): int { return ++$count; });

                return $this->worker->run();
            }
        }
        PHP;

    /** Mockery, as far as Laravel's facades ask it. */
    private const MOCKERY = <<<'PHP'
        class Mockery
        {
            public static function mock(string $class): object
            {
                (new ReflectionClass($class))->isFinal() && throw new LogicException("$class is marked final");
                return new class {
                    public function shouldReceive(string $method): string { return "$method is expected"; }
                    public function shouldAllowMockingProtectedMethods(): static { return $this; }
                };
            }
        }
        PHP;

    public function testTwoRunsOfACommandUnderOneFakeWorkerExposedTheirMethodsTwice(): void
    {
        self::assertSame("1 0\n1 0\n2 started\n", $this->try(<<<'PHP'
            $started = 0;
            $count = function () use (&$started): void {
                $started++;
            };
            $this->laravel['events']->listen(\RustDaemon\Laravel\Events\WorkerStarted::class, $count);
            $worker = \RustDaemon::fakeWorker(function ($worker): void {
                echo $worker->client()->call('plc.count'), ' ';
            });
            echo $this->call('plc:serve'), "\n";
            $worker->shouldStop() || throw new \LogicException('what it has left is not to be seen');
            echo $this->call('plc:serve'), "\n$started started\n";
            PHP));
    }

    public function testAMockOfTheFacadeWasAskedOfTheFinalClient(): void
    {
        self::assertSame('call is expected', $this->try(
            'eval(' . var_export(self::MOCKERY, true) . '); echo \RustDaemon::shouldReceive("call");',
        ));
    }

    private function try(string $php): string
    {
        $app = new App();
        $app->write('app/Commands/CountCommand.php', self::COMMAND);
        $app->write('app/Commands/TryCommand.php', <<<PHP
            <?php

            namespace App\Commands;

            final class TryCommand extends \Illuminate\Console\Command
            {
                protected \$signature = 'try';

                public function handle(): void
                {
                    $php
                }
            }
            PHP);
        $ended = $app->artisan(['try']);
        return $ended->output . $ended->error;
    }
}
