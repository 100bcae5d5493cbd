<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PHPUnit\Framework\TestCase;

/**
 * What the provider leaves alone: web requests, and processes that are somebody else's.
 */
final class BesideTest extends TestCase
{
    /** Whoever takes this for a link is refused. */
    private const NO_LINK = ['RUSTDAEMON_LINK' => 'in=998:1 out=999:1'];

    private QueueApp $queue;

    protected function setUp(): void
    {
        $this->queue = new QueueApp();
    }

    protected function tearDown(): void
    {
        unset($this->queue); // PHPUnit keeps the test, and with it what it has started, to the end of all tests
    }

    public function testOnlyQueueWorkTakesALink(): void
    {
        $refused = $this->queue->app->artisan(['queue:work', '--stop-when-empty'], self::NO_LINK);
        self::assertSame(111, $refused->code, 'the link is looked at');
        self::assertStringContainsString('RUSTDAEMON_LINK', $refused->output . $refused->error);

        $this->queue->push('one');
        $once = $this->queue->app->artisan(['queue:work', '--once'], self::NO_LINK); // queue:listen's
        self::assertSame([0, ['one begins', 'one ends']], [$once->code, $this->queue->notes()]);
    }

    /**
     * Horizon is in no package of Debian's: its horizon:work is queue:work under another name, as here.
     */
    public function testHorizonsWorkersAreHorizons(): void
    {
        $this->queue->app->write('app/Commands/HorizonWorkCommand.php', '<?php namespace App\Commands;
            final class HorizonWorkCommand extends \Illuminate\Queue\Console\WorkCommand {
                public function __construct(\Illuminate\Contracts\Cache\Repository $cache) {
                    $this->signature = str_replace("queue:work", "horizon:work", (new \ReflectionProperty(
                        parent::class, "signature"))->getDefaultValue());
                    parent::__construct(app("queue.worker"), $cache);
                }
            }');
        $this->queue->push('one');
        $ended = $this->queue->app->artisan(['horizon:work', '--stop-when-empty'], self::NO_LINK);
        self::assertSame(0, $ended->code, $ended->output . $ended->error);
        self::assertSame(['one begins', 'one ends'], $this->queue->notes());
    }

    public function testQueueWorkThatAWorkerStartsIsNobodysWorker(): void
    {
        $words = [...$this->queue->app->php(), "{$this->queue->app->path}/artisan", 'queue:work', '--stop-when-empty'];
        $command = implode(' ', array_map(escapeshellarg(...), $words));
        $this->queue->app->write('app/Commands/PlantCommand.php', '<?php namespace App\Commands;
            final class PlantCommand extends \Illuminate\Console\Command {
                use \RustDaemon\Laravel\RunsAsWorker;
                protected $signature = "plant:serve";
                public function handle(): int {
                    $this->expose("drain", function (): int {
                        exec(' . var_export($command, true) . ', $lines, $code);
                        return $code;
                    });
                    return $this->worker->run();
                }
            }');
        $this->queue->push('one');
        $child = $this->queue->app->start(['plant:serve']);
        $this->queue->app->untilIdle($child);
        self::assertSame(0, $this->queue->app->client()->call('drain'));
        self::assertSame(['one begins', 'one ends'], $this->queue->notes());
        $child->signal(SIGTERM);
        $child->eventually('the sidecar ends', fn (): bool => !file_exists($this->queue->app->socket()));
    }

    /**
     * As under php-fpm and Octane's web servers: php-cgi is what Debian has beside them.
     */
    public function testAWebRequestIsLeftAlone(): void
    {
        $said = $this->web('
            $names = [Illuminate\Queue\Events\Looping::class, Illuminate\Console\Events\CommandStarting::class];
            echo json_encode([PHP_SAPI, extension_loaded("rustdaemon"), get_class(app("db")),
                array_map($app["events"]->hasListeners(...), $names), getenv("RUSTDAEMON_LINK")]);');
        $database = 'Illuminate\Database\DatabaseManager';
        $link = self::NO_LINK['RUSTDAEMON_LINK'];
        self::assertSame(['cgi-fcgi', true, $database, [false, false], $link], json_decode($said, true), $said);
    }

    public function testAWebRequestLoadedWhatOnlyArtisanAndWorkersNeed(): void
    {
        $said = $this->web('
            $classes = [...get_declared_classes(), ...get_declared_traits()];
            $loaded = preg_grep("~^(RustDaemon.Laravel|(Illuminate|Symfony.Component).Console)\b~", $classes);
            echo json_encode(array_values($loaded));');
        self::assertSame(['RustDaemon\Laravel\RustDaemonServiceProvider'], json_decode($said, true), $said);
    }

    public function testACommandThatAWebRequestCallsSaysItsSentence(): void
    {
        $said = $this->web('
            foreach (["rustdaemon:status", "daemon:reload", "rustdaemon:run"] as $name) {
                $kernel = app(Illuminate\Contracts\Console\Kernel::class);
                echo $kernel->call($name), " ", $kernel->output();
            }');
        $socket = $this->queue->app->socket();
        $nobody = "111 nobody listens at $socket: there is no such socket; is the daemon running?\n";
        self::assertSame("$nobody{$nobody}100 RUN", preg_replace('/(?<=100 ).*\n/s', 'RUN', $said));
    }

    /**
     * What a web request says that runs this.
     */
    private function web(string $php): string
    {
        $cgi = exec('command -v php-cgi') ?: self::markTestSkipped('there is no php-cgi');
        $this->queue->app->write('web.php', '<?php
            require "Illuminate/autoload.php";
            require getenv("RUSTDAEMON_PACKAGE") . "/tests/bootstrap.php";
            $app = require __DIR__ . "/bootstrap/app.php";
            $app->instance("request", Illuminate\Http\Request::capture());
            (new Illuminate\Foundation\Http\Kernel($app, $app["router"]))->bootstrap();
            ' . $php);
        $options = ['-q', '-d', 'extension=' . getenv('RUSTDAEMON_SO')];
        $ended = $this->queue->app->run([$cgi, ...$options, "{$this->queue->app->path}/web.php"], self::NO_LINK);
        self::assertSame(0, $ended->code, $ended->output . $ended->error);
        return $ended->output;
    }
}
