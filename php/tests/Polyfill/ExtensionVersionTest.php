<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Polyfill;

use PHPUnit\Framework\TestCase;
use RustDaemon\Internal\Extension;
use RustDaemon\Tests\Contract\Script;
use RustDaemon\Tests\OtherExtension;

/**
 * An extension that is older or newer than the package: OtherExtension.
 */
final class ExtensionVersionTest extends TestCase
{
    private const CHECK = 'try { RustDaemon\Internal\Extension::check(); Worker::install(); }
        catch (RustDaemon\Exception\DaemonException $e) { echo get_class($e), ": {$e->getMessage()}"; }';

    protected function setUp(): void
    {
        if (extension_loaded('rustdaemon')) {
            self::markTestSkipped('the extension is loaded');
        }
    }

    public function testAnOlderOneIsRefusedBeforeThereIsAWorker(): void
    {
        $said = 'RustDaemon\Exception\ExtensionMissing: ext-rustdaemon 0.0.9 is loaded, and this rustdaemon/rustdaemon '
            . 'needs 0.1.0 or later: upgrade the extension, or go back to the package that came with it';
        self::assertSame($said, $this->with('0.0.9', self::CHECK));
    }

    public function testANewerOneThatMayHaveChangedIsRefusedBeforeThereIsAWorker(): void
    {
        $said = 'RustDaemon\Exception\ExtensionTooNew: ext-rustdaemon 0.2.0 is loaded, and this rustdaemon/rustdaemon '
            . 'knows versions below 0.2.0 only: upgrade the package with composer update rustdaemon/rustdaemon';
        self::assertSame($said, $this->with('0.2.0', self::CHECK));
    }

    public function testANewerOneThatOnlyHasMoreIsWelcome(): void
    {
        self::assertSame('installed', $this->with('0.1.9', self::CHECK));
    }

    public function testNoneAtAllIsWhatThePolyfillIsFor(): void
    {
        self::assertSame('unsupervised', Script::run(<<<'PHP'
            RustDaemon\Internal\Extension::check();
            echo Worker::install()->supervised() ? 'supervised' : 'unsupervised';
            PHP));
    }

    public function testAClassThatAnOlderOneLacksIsSaidAndNoneOfItsOwnIsReplaced(): void
    {
        $said = 'RustDaemon\Counter::create() needs a newer ext-rustdaemon than 0.0.9, which is loaded'
            . ' true false false';
        self::assertSame($said, $this->with('0.0.9', <<<'PHP'
            try {
                RustDaemon\Counter::create();
            } catch (RustDaemon\Exception\ExtensionMissing $e) {
                echo $e->getMessage();
            }
            echo ' ', json_encode((new ReflectionClass(Worker::class))->isInternal());
            echo ' ', json_encode(class_exists(Lock::class)), ' ', json_encode(class_exists(Signal::class));
            PHP));
    }

    public function testLoadingThePackageLooksAtNoVersionAndSaysNothing(): void
    {
        foreach (['0.0.9', '9.0.0'] as $version) {
            self::assertSame('Extension: false', $this->with(
                $version,
                'echo "Extension: ", json_encode(class_exists(RustDaemon\Internal\Extension::class, false));',
            ));
        }
    }

    public function testTheRangeIsThatOfComposerAndHoldsTheVersionThatIsBuiltHere(): void
    {
        $root = dirname(__DIR__, 3);
        $composer = json_decode(file_get_contents("$root/php/composer.json"), true, flags: JSON_THROW_ON_ERROR);
        [$oldest, $next] = [Extension::OLDEST, Extension::NEXT];
        self::assertSame("<$oldest || >=$next", $composer['conflict']['ext-rustdaemon']);
        self::assertSame(1, preg_match('/^version = "(.+)"$/m', file_get_contents("$root/Cargo.toml"), $found));
        self::assertTrue(version_compare($found[1], $oldest, '>='), $found[1]);
        self::assertTrue(version_compare($found[1], $next, '<'), $found[1]);
        self::assertSame($found[1], Script::run('echo phpversion("rustdaemon");', [
            '-d', 'extension=' . getenv('RUSTDAEMON_SO'),
        ]));
    }

    /**
     * What a script prints with an extension of this version.
     */
    private function with(string $version, string $php): string
    {
        $extension = new OtherExtension($version);
        return Script::run($php, ['-d', "extension=$extension->path"]);
    }
}
