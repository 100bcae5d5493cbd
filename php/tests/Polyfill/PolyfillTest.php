<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Polyfill;

use PHPUnit\Framework\TestCase;
use RustDaemon\Tests\Child;
use RustDaemon\Tests\Contract\Script;
use RustDaemon\Tests\Directory;

/**
 * What is said where the extension is not.
 */
final class PolyfillTest extends TestCase
{
    protected function setUp(): void
    {
        if (extension_loaded('rustdaemon')) {
            self::markTestSkipped('the extension is loaded');
        }
    }

    public function testWhatOnlyTheExtensionHasSaysHowToGetIt(): void
    {
        $said = ' needs ext-rustdaemon, which is not loaded: build it with cargo xtask build, then add '
            . 'extension=rustdaemon.so to php.ini';
        foreach (['Channel::create()', 'Process::fork()', '\RustDaemon\Counter::open()'] as $call) {
            $class = 'RustDaemon\\' . basename(strtr(strstr($call, ':', true), '\\', '/'));
            self::assertSame($class . strstr($call, '::') . $said, Script::run("try { $call(...func_get_args()); }
                catch (RustDaemon\\Exception\\ExtensionMissing \$e) { echo \$e->getMessage(); }"));
        }
    }

    public function testASocketIsOfNoUseAndThatIsSaidOnce(): void
    {
        $said = 'rustdaemon: ext-rustdaemon is not loaded: this worker runs unsupervised, and nobody listens on '
            . '/tmp/x.sock';
        $script = 'Worker::install(socket: "/tmp/x.sock"); Worker::install(socket: "/tmp/x.sock");';
        self::assertSame($said, Script::run($script));
        self::assertSame('', Script::run($script, environment: ['RUSTDAEMON' => 'off']));
        self::assertSame('', Script::run('Worker::install();'));
    }

    public function testAWorkerOfASidecarNeedsTheExtension(): void
    {
        $said = Script::run('try { Worker::install(); } catch (RustDaemon\Exception\ExtensionMissing $e) {
            echo $e->getMessage(); }', environment: ['RUSTDAEMON_LINK' => '5:6']);
        self::assertStringStartsWith('a worker of a sidecar, unless that runs it with --no-link, needs ext-', $said);
    }

    public function testWithoutPcntlTheLoopRunsAndThatIsSaidOnce(): void
    {
        $said = "rustdaemon: neither ext-rustdaemon nor ext-pcntl is loaded: signals are not handled"
            . "\ntask\ntrue true";
        $pcntl = 'pcntl_async_signals,pcntl_signal,pcntl_signal_dispatch,pcntl_signal_get_handler,pcntl_sigtimedwait,'
            . 'pcntl_sigprocmask';
        self::assertSame($said, Script::run(<<<'PHP'
            $w = Worker::install()->after(0.01, fn () => print "task\n");
            Signal::on('USR1', fn () => print 'never');
            $slept = $w->sleep(0.03);
            echo json_encode($slept), ' ', json_encode($w->tick(0.01));
            PHP, ['-d', "disable_functions=$pcntl"]));
    }

    public function testWithoutSigtimedwaitASignalIsSeenAllTheSame(): void
    {
        self::assertSame('0', Script::run(<<<'PHP'
            $w = Worker::install();
            if (pcntl_fork() === 0) {
                posix_kill(posix_getppid(), SIGTERM);
                posix_kill(getmypid(), SIGKILL);
            }
            echo $w->run();
            PHP, ['-d', 'disable_functions=pcntl_sigtimedwait']));
    }

    public function testTheThirdStopSignalEndsAProcessThatDoesNotStop(): void
    {
        self::assertSame("two\nexit 15", Script::run(<<<'PHP'
            Worker::install();
            foreach (['INT', 'HUP', 'TERM'] as $n => $signal) {
                echo $n === 2 ? 'two' : '';
                Signal::send(getmypid(), $signal);
            }
            PHP));
    }

    /**
     * An event loop's part of it: the stream tells of signals only.
     */
    public function testAnEventLoopWithATimerOfItsOwnCallsTasks(): void
    {
        self::assertSame("task\nsignal\nend", Script::run(<<<'PHP'
            $w = Worker::install();
            $w->after(0.02, fn () => print "task\n")->ready();
            Signal::on('USR1', fn () => print "signal\n");
            for ($turns = 0; $w->tick(0.0); $turns++) {
                [$r, $none] = [[$w->stream()], []];
                stream_select($r, $none, $none, 0, 30_000);
                $turns === 1 && Signal::send(getmypid(), 'USR1');
                $turns === 2 && Signal::send(getmypid(), 'TERM');
            }
            echo 'end';
            PHP));
    }

    /**
     * As examples/README.md says it.
     */
    public function testAnExampleThatLoadsNoAutoloaderRunsWithOneInFrontOfIt(): void
    {
        $directory = new Directory();
        $prepend = 'auto_prepend_file=' . dirname(__DIR__) . '/bootstrap.php';
        $example = dirname(__DIR__, 2) . '/examples/hello.php';
        $command = [PHP_BINARY, '-d', $prepend, $example, "{$directory->path}/s"];
        $child = new Child($command, "{$directory->path}/out");
        $said = 'this worker runs unsupervised';
        $child->eventually($said, static fn (): bool => str_contains($child->output(), $said));
        $child->eventually('it has SIGTERM', static function () use ($child): bool {
            preg_match('/^SigCgt:\t(\w+)$/m', file_get_contents("/proc/{$child->pid()}/status"), $found);
            return (hexdec(substr($found[1], -4)) & 1 << SIGTERM - 1) !== 0;
        });
        $child->signal(SIGTERM);
        self::assertSame(0, $child->end(), $child->output());
    }

    public function testTheLoaderLoadedItselfWithoutEnd(): void
    {
        self::assertSame('false', Script::run("echo json_encode(class_exists('RustDaemon\\autoload'));"));
    }

    public function testTheExtensionsOwnClassesWinWhereItIsLoaded(): void
    {
        $extension = 'extension=' . getenv('RUSTDAEMON_SO');
        self::assertSame('true', Script::run(
            'echo json_encode((new ReflectionClass(Worker::class))->isInternal());',
            ['-d', $extension],
        ));
    }
}
