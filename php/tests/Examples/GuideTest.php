<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Examples;

use PHPUnit\Framework\TestCase;
use RustDaemon\Tests\Directory;
use RustDaemon\Tests\Service;

/**
 * The code of README.md and docs/*.md, as it stands there: only paths become the test's own. Laravel's part is tested
 * with Laravel.
 */
final class GuideTest extends TestCase
{
    private const PACKAGE = __DIR__ . '/../..';

    private Directory $directory;

    protected function setUp(): void
    {
        $this->directory = new Directory();
        $bootstrap = var_export(dirname(__DIR__) . '/bootstrap.php', true);
        mkdir("{$this->directory->path}/vendor");
        file_put_contents("{$this->directory->path}/vendor/autoload.php", "<?php require $bootstrap;");
    }

    /**
     * The blocks of PHP between two headings.
     *
     * @return list<string>
     */
    private static function blocks(string $page, string $from, string $to): array
    {
        $text = strstr(strstr(file_get_contents(self::PACKAGE . "/$page"), $from), $to, true);
        preg_match_all('/```php\n(.*?)```/s', $text, $found);
        return $found[1];
    }

    /**
     * @param array<string, string> $paths
     */
    private function script(string $name, string $code, array $paths): string
    {
        $script = "{$this->directory->path}/$name";
        file_put_contents($script, strtr($code, $paths));
        return $script;
    }

    public function testPlainPhpInFiveMinutes(): void
    {
        [$serve, $ask] = self::blocks('README.md', '## Plain PHP in five minutes', '## What is where');
        $service = new Service("{$this->directory->path}/serve.php");
        $paths = ['/tmp/hello.sock' => $service->socket()];
        $this->script('serve.php', $serve, $paths);
        $service->start([]);
        $asks = new Service($this->script('ask.php', $ask, $paths));
        self::assertSame([0, "Hello, Anna!\n"], $asks->once([]));
    }

    public function testSymfonyInFiveMinutes(): void
    {
        $found = stream_resolve_include_path('Symfony/Component/Console/autoload.php');
        $found || self::markTestSkipped('Symfony\'s console is not in the include path');
        [$class] = self::blocks('README.md', '## Symfony in five minutes', '## Plain PHP in five minutes');
        $head = "<?php\nrequire __DIR__ . '/vendor/autoload.php';\nrequire 'Symfony/Component/Console/autoload.php';\n"
            . "use RustDaemon\\Symfony\\RunsAsWorker;\n"
            . "use Symfony\\Component\\Console\\{Application, Attribute\\AsCommand, Command\\Command};\n"
            . "use Symfony\\Component\\Console\\{Input\\InputInterface, Output\\OutputInterface};\n";
        $foot = "\n\$console = new Application();\n"
            . "\$console->{method_exists(\$console, 'addCommand') ? 'addCommand' : 'add'}(new CounterServe());\n"
            . "\$console->run();\n";
        $service = new Service("{$this->directory->path}/console");
        $this->script('console', "$head\n$class$foot", ['/tmp/counter.sock' => $service->socket()]);
        $service->start(['counter:serve', '--socket-mode=0660'], [], ['ctype', 'intl', 'mbstring']);
        self::assertSame([1, 2], [
            $service->client()->call('counter.next', 'visits'),
            $service->client()->call('counter.next', 'visits'),
        ]);
    }

    public function testTheClassicRecipeRunsUnchangedAndWithOurLoop(): void
    {
        [$theirs] = self::blocks('docs/from-the-classic-recipe.md', '## Your block', '## Our block');
        [$ours] = self::blocks('docs/from-the-classic-recipe.md', '## What you may take next', '**A socket.**');
        $work = "\nfunction work(string \$job): void { echo \"done: \$job\\n\"; }\n";
        foreach ([[$theirs, ['--no-link', '--memory-soft', '50MiB']], [$ours, []]] as [$loop, $flags]) {
            $paths = ['/var/spool/mydaemon' => $this->directory->path];
            $service = new Service($this->script('daemon.php', $loop . $work, $paths));
            file_put_contents("{$this->directory->path}/1.job", 'one');
            $service->supervise($flags, []);
            $service->says("main#0 | done: one\n");
            self::assertSame(0, $service->stop());
            self::assertStringContainsString('main#0 ended (exit 0; the daemon stops', $service->output());
            self::assertSame([], glob("{$this->directory->path}/*.job"));
        }
    }
}
