<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Polyfill;

use PHPUnit\Framework\TestCase;
use RustDaemon\Tests\Contract\Script;

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
