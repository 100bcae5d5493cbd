<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\Attributes\RequiresPhpExtension;
use PHPUnit\Framework\TestCase;
use RustDaemon\Tests\RedisServer;

/**
 * Children of Process::fork() in a booted application.
 */
final class ForkTest extends TestCase
{
    private const FORK = '$child = static function (callable $main): void {
        $end = \RustDaemon\Process::fork(static function () use ($main): void {
            echo "child: ", $main(), "\n";
        })->wait();
        $end->code === 0 || throw new \RuntimeException("the child ended with $end->code");
    };';

    private App $app;

    protected function setUp(): void
    {
        $this->app = new App();
        $this->app->write('config/database.php', '<?php return [
            "default" => "sqlite",
            "connections" => ["sqlite" => ["driver" => "sqlite", "database" => storage_path("db"), "prefix" => "",
                "options" => [PDO::ATTR_PERSISTENT => (bool) env("TRY_PERSISTENT")]]],
            "redis" => ["client" => "phpredis", "default" => ["host" => env("TRY_REDIS"), "port" => 0,
                "persistent" => (bool) env("TRY_PERSISTENT")]],
        ];');
        $this->app->write('config/queue.php', '<?php return [
            "default" => "redis",
            "connections" => ["redis" => ["driver" => "redis", "connection" => "default", "queue" => "default"],
                "sync" => ["driver" => "sync"]],
            "failed" => ["driver" => "null"],
        ];');
        $this->app->write('storage/db', '');
    }

    /**
     * @return iterable<string, array{string}>
     */
    public static function persistence(): iterable
    {
        yield 'ordinary' => ['0'];
        yield 'persistent' => ['1'];
    }

    /**
     * @dataProvider persistence
     */
    #[DataProvider('persistence')]
    public function testAChildHasAConnectionOfItsOwnToTheDatabase(string $persistent): void
    {
        $said = $this->try('
            $db = app("db");
            $db->statement("create table t (x int)");
            $db->statement("create temp table mine (x int)"); // of this connection alone
            $db->beginTransaction();
            $db->insert("insert into t values (1)");
            $pdo = $db->connection()->getPdo();
            $child(fn () => json_encode([$db->transactionLevel(), $db->connection()->getPdo() === $pdo,
                count($db->select("select * from t")), count($db->select("select * from sqlite_temp_master"))]));
            $db->commit();
            echo "parent: ", count($db->select("select * from t, sqlite_temp_master")), "\n";
        ', ['TRY_PERSISTENT' => $persistent]);
        self::assertSame("child: [0,false,0,0]\nparent: 1\n", $said);
    }

    public function testWhatWasToFollowACommitIsTheParents(): void
    {
        $said = $this->try('
            $db = app("db");
            $db->transaction(function () use ($db, $child): void {
                $db->afterCommit(function () { echo "committed\n"; });
                $child(fn () => $db->transaction(fn () => "done"));
            });
        ');
        self::assertSame("child: done\ncommitted\n", $said);
    }

    /**
     * @dataProvider persistence
     * @requires extension redis
     */
    #[DataProvider('persistence')]
    #[RequiresPhpExtension('redis')]
    public function testAChildHasAConnectionOfItsOwnToRedis(string $persistent): void
    {
        $redis = new RedisServer();
        $this->app->write('config/cache.php', '<?php return ["default" => "redis", "prefix" => "", "stores" => [
            "redis" => ["driver" => "redis", "connection" => "default"], "array" => ["driver" => "array"]]];');
        $said = $this->try('
            $ids = fn () => [app("redis")->connection()->client()->client("id"),
                app("cache")->store()->getStore()->connection()->client()->client("id"),
                app("queue")->connection()->getRedis()->connection()->client()->client("id")];
            app("cache")->store("array")->put("warm", "kept");
            $before = $ids();
            $child(function () use ($ids, $before): string {
                $shared = array_intersect($before, $ids());
                app("cache")->put("from", "the child");
                return json_encode([count($shared), app("cache")->store("array")->get("warm")]);
            });
            echo "parent: ", json_encode([$ids() === $before, app("cache")->get("from")]), "\n";
        ', ['TRY_REDIS' => $redis->socket, 'TRY_PERSISTENT' => $persistent]);
        self::assertSame("child: [0,\"kept\"]\nparent: [true,\"the child\"]\n", $said);
    }

    public function testLogChannelsAreMadeAnew(): void
    {
        $said = $this->try('
            $of = fn () => spl_object_id(app("log")->channel()->getLogger());
            $before = $of();
            $child(fn () => json_encode($of() === $before));
            echo "parent: ", json_encode($of() === $before), "\n";
        ');
        self::assertSame("child: false\nparent: true\n", $said);
    }

    public function testWhatWasNotMadeIsNotMadeForIt(): void
    {
        $said = $this->try('$child(fn () => json_encode([app()->resolved("redis"), app()->resolved("mail.manager"),
            count(app("db")->getConnections())]));');
        self::assertSame("child: [false,false,0]\n", $said);
    }

    public function testTheListIsTheApplications(): void
    {
        $list = '["log", App\Commands\OwnReset::class]';
        $this->app->write('config/rustdaemon.php', "<?php return ['on_fork' => $list];");
        $said = $this->try('
            $pdo = app("db")->connection()->getPdo();
            $child(fn () => json_encode(app("db")->connection()->getPdo() === $pdo));
        ', more: 'final class OwnReset {
            public function __construct(private \Illuminate\Contracts\Config\Repository $config) {}
            public function __invoke(): void { echo "own reset of ", $this->config->get("app.name"), "\n"; }
        }');
        self::assertSame("own reset of test\nchild: true\n", $said);
    }

    public function testANameThatNobodyKnows(): void
    {
        $this->app->write('config/rustdaemon.php', '<?php return ["on_fork" => ["databse"]];');
        $this->command('\RustDaemon\Process::fork(fn () => 0)->wait();');
        $ended = $this->app->artisan(['try']);
        $said = preg_replace('/\s*\n\s*/', '', $ended->output . $ended->error); // Laravel breaks lines
        self::assertStringContainsString('config/rustdaemon.php: on_fork: ["databse"] may name database, redis, cache, '
            . 'queue, log, mail and classes with a method __invoke() only', $said);
    }

    /**
     * @param array<string, string> $environment
     */
    private function try(string $php, array $environment = [], string $more = ''): string
    {
        $this->command(self::FORK . $php, $more);
        $ended = $this->app->artisan(['try'], $environment);
        self::assertSame(0, $ended->code, $ended->output . $ended->error);
        return $ended->output;
    }

    private function command(string $php, string $more = ''): void
    {
        $this->app->write('app/Commands/TryCommand.php', "<?php namespace App\\Commands;
            final class TryCommand extends \\Illuminate\\Console\\Command {
                protected \$signature = 'try';
                public function handle() { $php }
            }
            $more");
    }
}
