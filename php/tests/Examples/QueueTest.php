<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Examples;

use PHPUnit\Framework\TestCase;
use Redis;
use RustDaemon\Tests\RedisServer;
use RustDaemon\Tests\Service;

/**
 * php/examples/queue.php and a Redis of the test's own. A page that is a FIFO is in hand until the test has written it.
 */
final class QueueTest extends TestCase
{
    private RedisServer $server;
    private Redis $redis;
    private Service $queue;

    protected function setUp(): void
    {
        $this->server = new RedisServer();
        $this->redis = new Redis();
        $this->redis->connect($this->server->socket);
        $this->queue = Service::example('queue.php');
    }

    protected function tearDown(): void
    {
        unset($this->queue);
        for ($slot = 0; $slot < 4; $slot++) {
            $name = md5("{$this->server->socket} pages:taken:$slot");
            array_map('unlink', glob("/dev/shm/rustdaemon-*-lock-$name"));
        }
        unset($this->redis, $this->server);
    }

    private function consume(string ...$flags): void
    {
        $this->queue->supervise($flags, [$this->server->socket], ['igbinary', 'redis']);
    }

    /**
     * Puts a page into the queue and waits until a worker fetches it. That worker's pid.
     */
    private function fetching(string $page): int
    {
        return $this->queue->eventually('it is fetched', function () use ($page): int {
            $what = array_column($this->queue->workers(), 'doing_what', 'pid');
            return (int) array_search("fetch $page", $what, true);
        });
    }

    private function page(string $name): string
    {
        $page = $this->queue->path($name);
        posix_mkfifo($page, 0600);
        $this->redis->lPush('pages', $page);
        return $page;
    }

    private function bytes(string $page): string|false
    {
        return $this->redis->hGet('pages:bytes', $page);
    }

    public function testFourWorkersShareTheQueue(): void
    {
        $this->consume('--workers', '4');
        $pages = array_map($this->page(...), ['a', 'b', 'c', 'd']);
        self::assertCount(4, array_unique(array_map($this->fetching(...), $pages)), 'at the same time');
        foreach ($pages as $n => $page) {
            $this->queue->feed($page, str_repeat('x', $n + 1));
        }
        $done = fn (): bool => $this->redis->hLen('pages:bytes') === 4;
        $this->queue->eventually('they are done', $done);
        self::assertSame(['1', '2', '3', '4'], array_map($this->bytes(...), $pages));
        $this->queue->stop();
        self::assertSame([], $this->redis->keys('pages:taken:*'), 'nothing is in hand');
    }

    public function testAStopWaitsForTheJobInHandAndTakesNoOther(): void
    {
        $this->consume();
        $page = $this->page('a');
        $this->fetching($page);
        $this->redis->lPush('pages', '/another');
        $this->queue->terminate();
        $this->queue->feed($page, 'xxx');
        $this->queue->end();
        self::assertSame('3', $this->bytes($page));
        self::assertSame(['/another'], $this->redis->lRange('pages', 0, -1));
    }

    public function testAReloadLeavesTheJobInHandToWhoHasIt(): void
    {
        $this->consume('--workers', '2', '--stop-timeout', '60s');
        $page = $this->page('a');
        $pid = $this->fetching($page);
        $this->queue->client()->call('daemon.reload');
        $other = $this->page('b');
        $this->queue->feed($other, 'xx');
        $this->queue->eventually('a new one works', fn (): bool => $this->bytes($other) === '2');
        self::assertNotContains("fetch $page", array_column($this->queue->workers(), 'doing_what'));
        self::assertTrue(posix_kill($pid, 0), 'the old one has it');
        $this->queue->feed($page, 'xxx');
        $this->queue->eventually('it is done', fn (): bool => $this->redis->keys('pages:taken:*') === []);
        self::assertSame('3', $this->bytes($page));
    }

    public function testAKilledWorkersJobIsDoneByTheNextOne(): void
    {
        $this->consume();
        $page = $this->page('a');
        $killed = $this->fetching($page);
        posix_kill($killed, SIGKILL);
        $this->queue->eventually('the next one has it', fn (): bool => $this->fetching($page) !== $killed);
        $this->queue->feed($page, 'xxx');
        $this->queue->eventually('it is done', fn (): bool => $this->bytes($page) !== false);
        self::assertSame('3', $this->bytes($page));
    }

    public function testItComesBackWithRedis(): void
    {
        $this->consume('--backoff-max', '200ms', '--start-limit', '10000');
        $this->server->kill();
        $this->queue->eventually('it ends with an exception', fn (): bool
            => str_contains($this->queue->worker()['last_exit'] ?? '', 'RedisException'));
        $this->server->start();
        $this->redis->connect($this->server->socket);
        $page = $this->page('a');
        $this->queue->feed($page, 'xxx');
        $this->queue->eventually('it is done', fn (): bool => $this->bytes($page) !== false);
        self::assertSame('3', $this->bytes($page));
    }
}
