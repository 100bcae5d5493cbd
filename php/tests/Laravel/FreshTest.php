<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use RustDaemon\Client\RemoteException;
use RustDaemon\Tests\Child;

/**
 * Methods that are exposed with `fresh: true`.
 */
final class FreshTest extends TestCase
{
    private const COMMAND = <<<'PHP'
        <?php

        namespace App\Commands;

        use Illuminate\Support\Facades\Auth;
        use Illuminate\Support\Facades\DB;
        use Illuminate\Support\Facades\Log;

        final class Scoped
        {
            public int $used = 0;
        }

        final class Magic
        {
            public function __call(string $name, array $arguments): array
            {
                return [$name, $arguments];
            }
        }

        final class PlantCommand extends \Illuminate\Console\Command
        {
            use \RustDaemon\Laravel\RunsAsWorker;

            protected $signature = 'plant:serve';

            public function handle(): int
            {
                getenv('PLANT_SESSIONS') && config(['session.driver' => getenv('PLANT_SESSIONS')]);
                $this->laravel->scoped(Scoped::class);
                view()->share('line', 'boot');
                url()->defaults(['line' => 'boot']);
                url()->forceRootUrl('http://plant.example');
                Log::withContext(['plant' => 'boot']);
                DB::statement('create table if not exists t (x int)');
                $soil = function (): array {
                    config(['app.name' => 'soiled', 'plant.line' => 7]);
                    app()->setLocale('de');
                    Auth::setUser(new \Illuminate\Auth\GenericUser(['id' => 7]));
                    session()->put('line', 7);
                    cookie()->queue('line', '7');
                    view()->share('line', 'soiled');
                    url()->defaults(['line' => 'soiled']);
                    url()->forceRootUrl('http://soiled.example');
                    validator()->extend('soiled', fn () => true);
                    app(Scoped::class)->used++;
                    request()->merge(['line' => 7]);
                    Log::withContext(['plant' => 'soiled']);
                    DB::connection()->enableQueryLog();
                    DB::beginTransaction();
                    DB::insert('insert into t values (1)');
                    return $this->look();
                };
                foreach (['' => false, 'fresh.' => true] as $prefix => $fresh) {
                    $this->expose($prefix . 'soil', $soil, fresh: $fresh);
                    $this->expose($prefix . 'look', $this->look(...), fresh: $fresh);
                    $this->expose($prefix . 'sum', fn (int $a, int $b = 1): int => $a + $b, fresh: $fresh);
                    $most = fn (int $a, \DateTimeInterface|int ...$more): int => count($more);
                    $this->expose($prefix . 'most', $most, fresh: $fresh);
                    $this->expose($prefix . 'length', 'strlen', fresh: $fresh);
                    $this->expose($prefix . 'inner', fn () => strlen(...)([]), fresh: $fresh);
                    $fail = fn () => [$soil(), throw new \DomainException('no')];
                    $this->expose($prefix . 'fail', $fail, fresh: $fresh);
                    $append = function (array &$a, int ...$more): array {
                        $a[] = 1;
                        return $a;
                    };
                    $this->expose($prefix . 'append', $append, fresh: $fresh);
                    $this->expose($prefix . 'magic', [new Magic(), 'served'], fresh: $fresh);
                }
                $this->exposeWhatUsersDo();
                $this->exposeSessions();
                $this->laravel->singleton('plc.auth', function (): object {
                    Auth::viaRequest('plc', fn () => new \Illuminate\Auth\GenericUser(['id' => 7]));
                    return new \stdClass();
                });
                $this->expose('fresh.plc', fn (): array => [app('plc.auth'), Auth::guard('plc')->id()], fresh: true);
                $this->expose('fresh.check', fn (): bool => Auth::check(), fresh: true);
                $this->expose('memory', fn (): int => gc_collect_cycles() * 0 + memory_get_usage());

                return $this->worker->run();
            }

            private function exposeWhatUsersDo(): void
            {
                $isEarly = (bool) getenv('PLANT_EARLY');
                $early = $isEarly ? session()->driver() : null; // a handler may hold it
                $isEarly && redirect();
                $this->expose('fresh.intend', function (string $url) use ($early): array {
                    session()->put('url.intended', $url);
                    session()->save();
                    $early?->put('held', $url);
                    redirect('/x')->with('status', 'saved');
                    return [session()->getId(), session('status'), $early?->get('held')];
                }, fresh: true);
                $this->expose('fresh.intended', fn (): array => [
                    session()->getId(), session('status'), $early?->get('status'), session('url.intended'),
                    response()->redirectToIntended('/home')->getTargetUrl(),
                    redirect()->intended('/home')->getTargetUrl(),
                ], fresh: true);
                $this->expose('fresh.resume', function (string $id): array {
                    session()->setId($id);
                    session()->start();
                    return array_diff(session()->all(), [session()->token()]);
                }, fresh: true);
                $this->expose('fresh.others', function (): void {
                    Auth::resolveUsersUsing(fn () => new \Illuminate\Auth\GenericUser(['id' => 7]));
                    \Carbon\Carbon::setLocale('fr');
                    app()->detectEnvironment(fn (): string => 'soiled');
                    DB::connection()->enableQueryLog();
                }, fresh: true);
                $this->expose('fresh.seen', fn (): array => [
                    request()->user()?->getAuthIdentifier(), \Carbon\Carbon::getLocale(), app()->environment(),
                    DB::connection()->logging(),
                ], fresh: true);
            }

            private function exposeSessions(): void
            {
                $own = null;
                $table = fn () => DB::table('sessions');
                $this->expose('own', function () use (&$own): array {
                    $own ??= session()->driver('file'); // as a task of every() has it
                    $own->start();
                    $own->put('n', $own->get('n', 0) + 1);
                    $own->save();
                    return [$own->getId(), $own->get('n'), session()->driver('file') === $own];
                });
                $this->expose('fresh.own', fn (): ?int => session()->driver('file')->get('n'), fresh: true);
                $this->expose('fresh.login', function (int $user) use ($table): array {
                    redirect();
                    session()->start();
                    session()->put('user', $user);
                    session()->save();
                    return [session()->getId(), $table()->count()];
                }, fresh: true);
                $this->expose('fresh.who', function (string $id): ?int {
                    session()->setId($id);
                    session()->start();
                    return session('user');
                }, fresh: true);
                $this->expose('fresh.other', function (): ?string {
                    config(['session.driver' => 'array']);
                    redirect('/x')->with('status', 'saved');
                    return session('status');
                }, fresh: true);
                $this->expose('fresh.made', fn (): array => array_keys(session()->getDrivers()), fresh: true);
                $this->expose('status', function (): ?string {
                    response()->redirectTo('/x')->with('status', 'mine');
                    redirect('/x')->with('url', 'mine');
                    return session('status') . session('url');
                });
                DB::statement('create table if not exists sessions (id text primary key, user_id int, payload text,
                    ip_address text, user_agent text, last_activity int)');
            }

            private function look(): array
            {
                return [
                    config('app.name'), config('plant.line'), app()->getLocale(), \Carbon\Carbon::getLocale(),
                    Auth::id(), session('line'), count(cookie()->getQueuedCookies()), view()->shared('line'),
                    url()->getDefaultParameters()['line'], url()->to('x'), app(Scoped::class)->used,
                    DB::transactionLevel(), count(DB::select('select * from t')),
                    count((fn () => $this->extensions)->call(validator())), request('line'), url()->getRequest()->all(),
                    (fn () => $this->context['plant'] ?? null)->call(Log::channel()),
                ];
            }
        }
        PHP;
    private const PRISTINE = ['test', null, 'en', 'en', null, null, 0, 'boot', 'boot', 'http://plant.example/x', 0,
        0, 0, 0, null, [], 'boot'];
    private const SOILED = ['soiled', 7, 'de', 'de', 7, 7, 1, 'soiled', 'soiled', 'http://soiled.example/x', 1,
        1, 1, 1, 7, ['line' => 7], 'soiled'];
    private const ARGUMENTS = [
        'by position' => [[1, 2], 3],
        'by name' => [['b' => 2, 'a' => 1], 3],
        'a default' => [['a' => 1], 2],
        'a number in a text' => [['12'], 13],
        'more' => [[1, 2, 3], 3],
        'missing' => [['b' => 2], 'InvalidArgument: missing argument "a"'],
        'none' => [[], 'InvalidArgument: missing argument "a"'],
        'unknown' => [['a' => 1, 'c' => 2], 'InvalidArgument: unknown argument "c"'],
        'of a wrong type' => [[1, []], 'InvalidArgument: argument "b" must be of type int, array given'],
    ];
    private const OTHER_ARGUMENTS = [
        'a wrong one of many' => ['most', [1, 2, []],
            'InvalidArgument: argument 3 must be of type DateTimeInterface|int, array given'],
        'a wrong one of many, by name' => ['most', ['a' => 1, 'x' => 'y'],
            'InvalidArgument: argument 2 must be of type DateTimeInterface|int, string given'],
        'too many for a function of PHP' => ['length', ['a', 'b'],
            'InvalidArgument: too many arguments: 2 given, at most 1 expected'],
        'a wrong one for it' => ['length', [[]],
            'InvalidArgument: argument "string" must be of type string, array given'],
    ];

    private App $app;
    private ?Child $child = null;

    protected function setUp(): void
    {
        $this->app = new App();
        $this->app->write('app/Commands/PlantCommand.php', self::COMMAND);
        $providers = ['Auth\Auth', 'Cookie\Cookie', 'Encryption\Encryption', 'Hashing\Hash', 'Session\Session',
            'Translation\Translation', 'Validation\Validation', 'View\View'];
        $config = $this->app->read('config/app.php');
        $line = static fn (string $name): string => "Illuminate\\{$name}ServiceProvider::class,\n";
        $lines = implode('', array_map($line, $providers));
        $carbon = "Carbon\\Laravel\\ServiceProvider::class,\n";
        $config = str_replace("'providers' => [", "'locale' => 'en', 'fallback_locale' => 'en',
            'cipher' => 'AES-256-CBC', 'key' => str_repeat('k', 32), 'providers' => [\n$lines$carbon", $config);
        $this->app->write('config/app.php', $config);
        $this->app->write('config/auth.php', '<?php return ["defaults" => ["guard" => "web", "passwords" => "users"],
            "guards" => ["web" => ["driver" => "session", "provider" => "users"],
                "plc" => ["driver" => "plc"]],
            "providers" => ["users" => ["driver" => "database", "table" => "users"]]];');
        $this->app->write('config/session.php', '<?php return ["driver" => "array", "cookie" => "s", "lifetime" => 60,
            "files" => storage_path("framework"), "table" => "sessions", "connection" => null, "encrypt" => false,
            "path" => "/", "domain" => null, "secure" => false];');
        $this->app->write('config/view.php', '<?php return ["paths" => [], "compiled" => storage_path("views")];');
        $this->app->write('config/database.php', '<?php return ["default" => "sqlite", "connections" => ["sqlite" =>
            ["driver" => "sqlite", "database" => storage_path("db"), "prefix" => ""]]];');
        $this->app->write('storage/db', '');
        $this->start();
    }

    /**
     * @param array<string, string> $environment
     */
    private function start(array $environment = []): void
    {
        $this->child = $this->app->start(['plant:serve'], $environment);
        $this->app->untilIdle($this->child);
    }

    /**
     * @param array<string, string> $environment
     */
    private function restart(array $environment): void
    {
        $this->tearDown();
        $this->start($environment);
    }

    protected function tearDown(): void
    {
        $this->child->signal(SIGTERM);
        $this->child->eventually('the sidecar ends', fn (): bool => $this->child->ended() !== []);
    }

    public function testAFreshMethodFindsTheApplicationAsItWas(): void
    {
        $client = $this->app->client();
        self::assertSame(self::PRISTINE, $client->call('fresh.look'));
        self::assertSame(self::SOILED, $client->call('fresh.soil'));
        self::assertSame(self::PRISTINE, $client->call('fresh.look'));
        $client->call('soil');
        self::assertSame(self::SOILED, $client->call('look'), 'the others go on with what there is');
        self::assertSame(self::PRISTINE, $client->call('fresh.look'));
    }

    /**
     * @dataProvider starts
     */
    #[DataProvider('starts')]
    public function testASessionIsNotHandedToTheNextUserByARedirect(bool $isEarly): void
    {
        $isEarly && $this->restart(['PLANT_EARLY' => '1']);
        $client = $this->app->client();
        foreach (['http://user-a', 'http://user-b'] as $url) {
            [$id, $status, $held] = $client->call('fresh.intend', $url);
            self::assertSame(['saved', $isEarly ? $url : null], [$status, $held], 'a redirect is of the same session');
            $seen = $client->call('fresh.intended');
            $home = 'http://plant.example/home';
            self::assertSame([null, null, null, $home, $home], array_slice($seen, 1));
            self::assertNotSame($id, $seen[0], 'what is saved under the old one is not read');
            self::assertSame([], $client->call('fresh.resume', $id), 'the array driver keeps nothing');
        }
    }

    /**
     * @return iterable<string, array{bool}>
     */
    public static function starts(): iterable
    {
        yield 'a handler makes the session' => [false];
        yield 'the worker has made it, and holds it' => [true];
    }

    public function testSessionsInTheDatabaseAreSavedForEachUser(): void
    {
        $this->restart(['PLANT_SESSIONS' => 'database']);
        $client = $this->app->client();
        foreach ([1, 2, 3] as $user) {
            [$id, $rows] = $client->call('fresh.login', $user);
            self::assertSame([$user, $user], [$rows, $client->call('fresh.who', $id)]);
        }
    }

    public function testTheWorkersOwnSessionIsNotTouchedByFreshMethods(): void
    {
        $client = $this->app->client();
        [$id] = $client->call('own');
        foreach ([2, 3] as $n) {
            self::assertNull($client->call('fresh.own'), 'it is not the handler\'s');
            self::assertSame([$id, $n, true], $client->call('own'));
        }
    }

    public function testADriverThatOnlyOneHandlerHasDoesNotFailTheNext(): void
    {
        $this->restart(['PLANT_SESSIONS' => 'nope']);
        foreach ([1, 2] as $_) {
            self::assertSame('saved', $this->ask('fresh.other', []));
            self::assertSame(3, $this->ask('fresh.sum', [1, 2]));
        }
    }

    public function testNoSessionIsMadeThatNobodyHasAskedFor(): void
    {
        self::assertSame([], $this->ask('fresh.made', []));
        $this->ask('fresh.intend', ['http://user-a']);
        self::assertSame([], $this->ask('fresh.made', []), 'nor is that of another handler there');
    }

    public function testARedirectOutsideOfFreshMethodsIsOfTheWorkersSession(): void
    {
        foreach ([1, 2] as $_) {
            self::assertSame('saved', $this->ask('fresh.intend', ['http://user-a'])[1]);
            self::assertNull($this->ask('fresh.intended', [])[1]);
            self::assertSame('minemine', $this->ask('status', []));
            self::assertNull($this->ask('fresh.intended', [])[1]);
        }
    }

    public function testWhoSaysWhichUserIsMeantIsPutBack(): void
    {
        $client = $this->app->client();
        $client->call('fresh.others');
        self::assertNull($client->call('fresh.seen')[0]);
    }

    public function testAGuardOfAProviderThatIsBootedWhenItIsNeededStays(): void
    {
        self::assertSame([7, 7], [$this->ask('fresh.plc', [])[1], $this->ask('fresh.plc', [])[1]]);
    }

    public function testTheLocaleThatCarbonAloneWasToldIsPutBack(): void
    {
        $client = $this->app->client();
        $client->call('fresh.others');
        self::assertSame('en', $client->call('fresh.seen')[1]);
    }

    public function testTheEnvironmentIsPutBack(): void
    {
        $client = $this->app->client();
        $client->call('fresh.others');
        self::assertSame('production', $client->call('fresh.seen')[2]);
    }

    public function testAQueryLogThatAHandlerHasEnabledEnds(): void
    {
        $client = $this->app->client();
        $client->call('fresh.others');
        self::assertFalse($client->call('fresh.seen')[3]);
    }

    public function testAReferenceGivenByNameDoesNotKillTheWorker(): void
    {
        $restarts = fn (): int => $this->app->client()->status()['workers'][0]['restarts'];
        foreach ([[[5]], ['a' => [5]], [[5], 6], ['a' => [5], 'x' => 6]] as $arguments) {
            self::assertSame('[5,1]', json_encode($this->ask('fresh.append', $arguments)));
        }
        self::assertSame('InvalidArgument: missing argument "a"', $this->ask('fresh.append', []));
        self::assertSame(0, $restarts());
    }

    public function testANameThatMagicServesTakesWhatItIsGivenAsWithoutIt(): void
    {
        foreach ([[], [1, 'x'], ['a' => 1]] as $arguments) {
            $answers = [$this->ask('magic', $arguments), $this->ask('fresh.magic', $arguments)];
            self::assertSame([['served', $arguments], ['served', $arguments]], $answers);
        }
    }

    public function testAServiceThatASoilingHandlerMakesFirstIsMadeBeforeIt(): void
    {
        self::assertSame(self::SOILED, $this->app->client()->call('fresh.soil'));
        self::assertSame(self::PRISTINE, $this->app->client()->call('fresh.look'));
    }

    public function testGuardsOfEarlierRequestsDoNotStayInMemory(): void
    {
        $client = $this->app->client();
        $check = static function (int $times) use ($client): int {
            for ($i = 0; $i < $times; $i++) {
                $client->call('fresh.check');
            }
            return $client->call('memory');
        };
        $check(20); // everything is made, and as long as it gets
        $before = $check(20);
        self::assertLessThan(2000, $check(300) - $before, 'that is seven bytes a request');
    }

    public function testTheLogsContextOfTheWorkersStartStays(): void
    {
        $client = $this->app->client();
        $client->call('fresh.soil');
        self::assertSame('boot', $client->call('look')[16], 'at once, and not before the next fresh one');
    }

    public function testAnOpenTransactionIsRolledBackAndSaid(): void
    {
        $client = $this->app->client();
        try {
            $client->call('fresh.fail');
            self::fail('it fails');
        } catch (RemoteException $why) {
            self::assertSame(['DomainException', 'no'], [$why->class, $why->getMessage()]);
        }
        [11 => $level, 12 => $rows] = $client->call('look');
        self::assertSame([0, 0], [$level, $rows], 'at once, and not before the next fresh one');
        self::assertStringContainsString(
            'a transaction was open on the connection sqlite after fresh.fail: rolled back',
            $this->app->read('storage/logs/laravel.log'),
        );
    }

    public function testArgumentsAreAsTheyAreWithoutIt(): void
    {
        foreach (self::ARGUMENTS as $what => [$arguments, $expected]) {
            $answers = [$this->ask('sum', $arguments), $this->ask('fresh.sum', $arguments)];
            self::assertSame([$expected, $expected], $answers, $what);
        }
        foreach (self::OTHER_ARGUMENTS as $what => [$method, $arguments, $expected]) {
            $answers = [$this->ask($method, $arguments), $this->ask("fresh.$method", $arguments)];
            self::assertSame([$expected, $expected], $answers, $what);
        }
    }

    public function testAMistakeOfTheHandlersOwnIsNotTheClients(): void
    {
        self::assertStringStartsWith('TypeError: ', $this->ask('inner', []));
        self::assertSame($this->ask('inner', []), $this->ask('fresh.inner', []));
    }

    /**
     * @param array<mixed> $arguments
     */
    private function ask(string $method, array $arguments): mixed
    {
        try {
            return $this->app->client()->begin($method, $arguments)->result();
        } catch (RemoteException $why) {
            return "$why->class: {$why->getMessage()}";
        }
    }
}
