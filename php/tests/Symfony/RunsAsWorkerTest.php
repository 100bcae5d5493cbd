<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Symfony;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use RustDaemon\Client\Call;
use RustDaemon\Tests\Child;
use RustDaemon\Tests\OtherExtension;
use RustDaemon\Tests\Service;

/**
 * Console commands that are workers: fixtures/symfony/console.php, with and without listeners of Symfony's events.
 */
final class RunsAsWorkerTest extends TestCase
{
    private const EXTENSIONS = ['ctype', 'intl', 'mbstring'];

    private Service $console;
    /** @var resource */
    private $gate;

    protected function setUp(): void
    {
        $found = stream_resolve_include_path('Symfony/Component/Console/autoload.php');
        $found || self::markTestSkipped('Symfony\'s console is not in the include path');
        $this->console = new Service(dirname(__DIR__) . '/fixtures/symfony/console.php');
    }

    protected function tearDown(): void
    {
        unset($this->console); // PHPUnit keeps the test, and with it what it has started, to the end of all tests
    }

    public static function consoles(): array
    {
        return ['a plain console' => ['0'], 'a console with listeners' => ['1']];
    }

    private function start(string $listeners, string $command): void
    {
        $words = [$command, '--socket', $this->console->socket(), '--no-ansi'];
        $this->console->start($words, ['LISTENERS' => $listeners], self::EXTENSIONS);
    }

    /**
     * A request that the worker has in hand until release().
     */
    private function hold(): Call
    {
        posix_mkfifo($this->console->path('gate'), 0600);
        $call = $this->console->client()->begin('hold', [$this->console->path('gate')]);
        $this->gate = $this->console->reader($this->console->path('gate'));
        return $call;
    }

    private function release(): void
    {
        fclose($this->gate);
    }

    /**
     * @dataProvider consoles
     */
    #[DataProvider('consoles')]
    public function testTermInARequestEndsTheWorkerAfterItsAnswer(string $listeners): void
    {
        $this->start($listeners, 'plain');
        $this->termInARequest();
    }

    /**
     * @dataProvider consoles
     */
    #[DataProvider('consoles')]
    public function testACommandsOwnHandlerIsCalledOnceAndAfterTheRequestInHand(string $listeners): void
    {
        $this->start($listeners, 'signalable');
        $call = $this->hold();
        posix_kill($this->console->worker()['pid'], SIGINT);
        self::assertStringNotContainsString('handleSignal', $this->console->output());
        $this->release();
        self::assertSame('held', $call->result());
        $this->console->eventually('it has ended', fn (): bool => $this->console->worker()['restarts'] === 1);
        $this->console->says('run() has returned');
        self::assertSame(
            ["main#0 | handleSignal(2)\n", "main#0 | run() has returned\n"],
            array_values(preg_grep('/handleSignal|returned/', $this->lines())),
        );
    }

    /**
     * @dataProvider consoles
     */
    #[DataProvider('consoles')]
    public function testAnOrderOfTheSidecarsIsToldToTheCommandAsItsFirstStopSignal(string $listeners): void
    {
        $this->start($listeners, 'signalable');
        $this->console->client()->call('worker.restart', 'main#0');
        $this->console->says('run() has returned');
        self::assertContains("main#0 | handleSignal(15)\n", $this->lines());
    }

    /**
     * @dataProvider consoles
     */
    #[DataProvider('consoles')]
    public function testSignalsThatStopNothingGoToTheCommandAtOnce(string $listeners): void
    {
        $this->start($listeners, 'signalable');
        $pid = $this->console->worker()['pid'];
        posix_kill($pid, SIGUSR1);
        $this->console->says("main#0 | handleSignal(10)\n");
        self::assertSame($pid, $this->console->worker()['pid']);
    }

    public function testAnotherCommandInARequestLeavesTheStopSignalsToTheWorker(): void
    {
        $this->start('0', 'plain');
        self::assertSame(0, $this->console->client()->call('nested'));
        $this->termInARequest();
    }

    public function testAStopOfTheSidecarsNeedsNoSignalThatAnotherCommandMayHaveTaken(): void
    {
        $this->start('1', 'plain');
        self::assertSame(0, $this->console->client()->call('nested'));
        $call = $this->hold();
        $this->console->terminate();
        $this->release();
        self::assertSame('held', $call->result());
        self::assertSame(0, $this->console->end());
        self::assertStringContainsString('plain#0 ended (exit 0; the daemon stops', $this->console->output());
    }

    private function termInARequest(): void
    {
        $call = $this->hold();
        posix_kill($this->console->worker()['pid'], SIGTERM);
        $this->release();
        self::assertSame('held', $call->result());
        $this->console->eventually('it is replaced', fn (): bool => $this->console->worker()['restarts'] === 1);
        self::assertSame(0, $this->console->worker()['last_exit_reason']['code'], 'not killed by it');
    }

    public function testTheOptionsAreTheirsAndWhatTheCommandHasItselfStays(): void
    {
        [$code, $help] = $this->console->once(['declaring', '--help', '--no-ansi'], [], self::EXTENSIONS);
        self::assertSame(0, $code);
        self::assertMatchesRegularExpression('/--socket +A flag of its own\n/', $help);
        self::assertMatchesRegularExpression('/--socket-mode=SOCKET-MODE +Octal mode of the socket\b/', $help);
    }

    public function testAnOptionThatTheCommandDeclaresItselfIsNotReadAsOurs(): void
    {
        $words = ['declaring', '--socket', '--socket-mode=0660', '--no-ansi'];
        $this->console->start($words, ['SOCKET' => $this->console->socket()], self::EXTENSIONS);
        self::assertTrue($this->console->client()->call('flag'));
        self::assertSame(0660, fileperms($this->console->socket()) & 0777);
    }

    public static function refusals(): array
    {
        return [
            ['--socket-mode=9', 100, 'mode: "9" is not an octal number'],
            ['--socket-mode=0888', 100, 'mode: "0888" is not an octal number'],
            ['--socket=' . str_repeat('x', 200), 100, 'at most 107'],
            ['--socket=', 100, 'socket: '],
            ['--socket=/nonexistent/s', 111, '/nonexistent'],
        ];
    }

    /**
     * @dataProvider refusals
     */
    #[DataProvider('refusals')]
    public function testBadInputIsOneSentenceAndACodeThatSaysWhetherAgainMayHelp(
        string $option,
        int $code,
        string $says,
    ): void {
        $options = ['--socket=' . $this->console->socket(), $option, '--no-ansi'];
        [$ended, $said] = $this->console->once(['plain', ...$options], [], self::EXTENSIONS);
        self::assertStringContainsString($says, preg_replace('/\s+/', ' ', $said));
        self::assertSame($code, $ended);
        self::assertStringNotContainsString('.php', $said, 'no line of ours');
    }

    public function testAnExtensionOfAnotherVersionIsOneSentenceBeforeThereIsAWorker(): void
    {
        $other = new OtherExtension('0.0.9');
        $php = [PHP_BINARY, '-d', "extension=$other->path", dirname(__DIR__) . '/fixtures/symfony/console.php'];
        $options = ['--socket=' . $this->console->socket(), '--no-ansi'];
        $child = new Child([...$php, 'plain', ...$options], $this->console->path('other'));
        self::assertSame(100, $child->end(), $child->output());
        $said = preg_replace('/\s+/', ' ', $child->output());
        self::assertStringContainsString('ext-rustdaemon 0.0.9 is loaded, and this rustdaemon/rustdaemon needs', $said);
        self::assertStringNotContainsString('installed', $said, 'install() prints that');
    }

    /**
     * @return list<string>
     */
    private function lines(): array
    {
        return file($this->console->path('out'));
    }
}
