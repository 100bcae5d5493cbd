<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;

/**
 * What stands in .env reaches the next generation: the sidecar does not carry on what Dotenv has put into the process
 * that it was.
 */
final class EnvironmentTest extends TestCase
{
    /** What plant:serve offers. */
    private const METHODS = <<<'PHP'
        $names = ['PLANT_LINE', 'PLANT_GONE', 'PLANT_GIVEN'];
        $this->expose('look', static fn (): array => [
            config('app.env'), array_map('env', $names), array_map('getenv', $names),
        ]);
        PHP;

    /**
     * @return iterable<string, array{list<string>}>
     */
    public static function starts(): iterable
    {
        yield 'the command becomes the sidecar' => [['plant:serve']];
        yield 'rustdaemon:run does' => [['rustdaemon:run', 'plant:serve']];
    }

    /**
     * @dataProvider starts
     * @param list<string> $words
     */
    #[DataProvider('starts')]
    public function testAReloadReadsItAnew(array $words): void
    {
        $app = new App();
        $app->plant(self::METHODS);
        $app->write('.env', "APP_ENV=one\nPLANT_LINE=1\nPLANT_GONE=yes\nPLANT_GIVEN=file\n");
        $child = $app->start($words, ['PLANT_GIVEN' => 'environment']);
        $app->untilIdle($child);
        $client = $app->client();
        $line = ['1', 'yes', 'environment'];
        self::assertSame(['one', $line, $line], $client->call('look'));

        $app->write('.env', "APP_ENV=two\nPLANT_LINE=2\nPLANT_NEW=1\nPLANT_GIVEN=file\n");
        self::assertSame(0, $app->artisan(['rustdaemon:reload'])->code);
        self::assertSame(
            ['two', ['2', null, 'environment'], ['2', false, 'environment']],
            $client->call('look'),
            'what the process was started with stays stronger, as it is for Dotenv',
        );
        $child->signal(SIGTERM);
        $child->eventually('the sidecar ends', static fn (): bool => $child->ended() !== []);
    }
}
