<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Examples;

use PHPUnit\Framework\TestCase;
use RustDaemon\Tests\Service;

/**
 * php/examples/symfony: a console of FrameworkBundle's, wired without a bundle of ours.
 */
final class SymfonyTest extends TestCase
{
    private const EXTENSIONS = ['ctype', 'intl', 'mbstring', 'tokenizer'];

    private Service $console;

    protected function setUp(): void
    {
        $found = stream_resolve_include_path('Symfony/Bundle/FrameworkBundle/autoload.php');
        $found || self::markTestSkipped('Symfony\'s FrameworkBundle is not in the include path');
        $this->console = Service::example('symfony/console');
        // From 6 on its configuration asks Composer's runtime what is installed, which Debian's packages come without.
        [, $said] = $this->console->once(['list'], $this->environment(), self::EXTENSIONS);
        str_contains($said, 'willBeAvai') && self::markTestSkipped('it wants Composer\'s own classes');
    }

    protected function tearDown(): void
    {
        unset($this->console); // PHPUnit keeps the test, and with it what it has started, to the end of all tests
    }

    private function serve(string ...$words): void
    {
        $this->console->start(['counter:serve', ...$words], $this->environment(), self::EXTENSIONS);
    }

    private function environment(): array
    {
        return [
            'APP_CACHE_DIR' => $this->console->path('cache'),
            'APP_LOG_DIR' => $this->console->path('log'),
            'APP_SOCKET' => $this->console->socket(),
        ];
    }

    public function testACommandIsAWorkerAndAnotherOneAsksIt(): void
    {
        $this->serve('--socket-mode=0660');
        self::assertSame(0660, fileperms($this->console->socket()) & 0777);
        $next = $this->console->once(['counter:next', 'visits'], $this->environment(), self::EXTENSIONS);
        self::assertSame([0, "1\n"], $next);
        self::assertSame(2, $this->console->client()->call('counter.next', 'visits'));
        $this->console->says('main#0 | counting');
    }

    public function testAStopIsTheWorkersAffairThoughSymfonyHasTakenItsSignalsForListeners(): void
    {
        $this->serve();
        posix_kill($this->console->worker()['pid'], SIGTERM);
        $this->console->eventually('it is replaced', function (): bool {
            ['restarts' => $restarts, 'state' => $state] = $this->console->worker();
            return $restarts === 1 && $state === 'idle';
        });
        self::assertSame(0, $this->console->worker()['last_exit_reason']['code']);
        self::assertSame(0, $this->console->stop());
        self::assertStringContainsString('main#0 ended (exit 0; the daemon stops', $this->console->output());
    }

    public function testWithoutADaemonTheOneThatAsksSaysSo(): void
    {
        [$code, $said] = $this->console->once(['counter:next'], $this->environment(), self::EXTENSIONS);
        self::assertNotSame(0, $code);
        $sentence = "nobody listens at {$this->console->socket()}";
        self::assertStringContainsString($sentence, preg_replace('/\s+/', ' ', $said));
    }
}
