<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Examples;

use PHPUnit\Framework\TestCase;
use RustDaemon\Tests\Directory;
use RustDaemon\Tests\Service;

/**
 * The examples that need no sidecar: php/examples/fork_pool.php and once.php.
 */
final class AloneTest extends TestCase
{
    public function testFourChildrenShareTheWorkAndOneUnluckyPieceIsNamed(): void
    {
        [$code, $said] = Service::example('fork_pool.php')->once([]);
        self::assertSame(1, $code, 'not all is done');
        $children = '(child \d: exit (0|13), \d+\.\d{3} s\n){4}';
        self::assertMatchesRegularExpression("/^{$children}39 of 40 done, lost: 13\n\$/", $said);
    }

    public function testAScriptRunsOnceAtATimeAndTheNextOneHearsOfAKill(): void
    {
        $directory = new Directory();
        $own = 'once-' . bin2hex(random_bytes(6));
        $code = file_get_contents(dirname(__DIR__, 2) . '/examples/once.php');
        $code = strtr($code, ["'once'" => "'$own'", "'once.turns'" => "'$own.turns'"]);
        file_put_contents("{$directory->path}/once.php", $code);
        $first = new Service("{$directory->path}/once.php");
        try {
            $first->launch([]);
            $first->says("turn 1\n");
            [$ended, $said] = (new Service("{$directory->path}/once.php"))->once([]);
            self::assertSame([1, "once.php runs already, as process {$first->pid()}\n"], [$ended, $said]);

            $first->kill();
            $second = new Service("{$directory->path}/once.php");
            $second->launch([]);
            $second->says("turn 2\n");
            self::assertStringContainsString('the one before did not come to its end', $second->output());
            self::assertSame(0, $second->stop());
        } finally {
            array_map('unlink', glob("/dev/shm/rustdaemon-*-$own*"));
        }
    }
}
