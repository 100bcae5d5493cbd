<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PHPUnit\Framework\TestCase;

/**
 * What README.md and LARAVEL.md tell to type.
 */
final class GuideTest extends TestCase
{
    private const PACKAGE = __DIR__ . '/../..';

    public function testTheFiveMinuteGuideWorksAsItIsTyped(): void
    {
        $app = new App();
        $guide = file_get_contents(self::PACKAGE . '/README.md');
        preg_match_all('/```php\n(.*?)```/s', strstr($guide, '## Symfony in five minutes', true), $found);
        [$command, $asks] = $found[1];
        $app->write('app/Commands/PlcServe.php', str_replace('App\Console\Commands', 'App\Commands', $command));
        $child = $app->start(['plc:serve']);
        $app->untilIdle($child);
        preg_match_all('/^(RustDaemon::.*?);/m', $asks, $calls);
        preg_match_all('/^use .*;$/m', $asks, $uses);
        $app->write('app/Commands/AskCommand.php', '<?php namespace App\Commands; ' . implode(' ', $uses[0]) . '
            final class AskCommand extends \Illuminate\Console\Command { protected $signature = "ask";
            public function handle() { echo json_encode([' . implode(', ', $calls[1]) . ']); } }');
        self::assertSame('[1,6]', $app->artisan(['ask'])->output);
        self::assertStringContainsString('main#0  idle', $app->artisan(['rustdaemon:status'])->output);
        foreach (['rustdaemon:install plc:serve', 'rustdaemon:reload'] as $line) {
            self::assertStringContainsString("php artisan $line ", $guide);
            self::assertSame(0, $app->artisan(explode(' ', $line))->code, $line);
        }
        $child->signal(SIGINT);
        $child->eventually('Ctrl-C stops it', static fn (): bool => !file_exists($app->socket()));
    }

    public function testLaravelsPageNamesEveryKeyAndCommandAndEvent(): void
    {
        $page = file_get_contents(self::PACKAGE . '/LARAVEL.md');
        foreach (array_keys(self::configuration()) as $key) {
            self::assertStringContainsString("`$key`", $page);
        }
        foreach (glob(self::PACKAGE . '/src/Laravel/Events/*.php') as $file) {
            self::assertStringContainsString('`' . basename($file, '.php') . '`', $page);
        }
        foreach (['run', 'status', 'reload', 'restart', 'stop', 'install'] as $verb) {
            self::assertStringContainsString("`rustdaemon:$verb", $page);
        }
    }

    /**
     * @return array<string, mixed>
     */
    private static function configuration(): array
    {
        $head = 'function env($name, $default = null) { return $default; }
            function storage_path($path) { return $path; }';
        $php = "$head echo json_encode(require '" . self::PACKAGE . "/config/rustdaemon.php');";
        return json_decode((string) shell_exec(PHP_BINARY . ' -r ' . escapeshellarg($php)), true);
    }
}
