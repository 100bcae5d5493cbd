<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

use Carbon\Carbon;
use Closure;
use Illuminate\Contracts\Auth\Guard;
use Illuminate\Contracts\Foundation\Application;
use Illuminate\Contracts\Routing\ResponseFactory;
use Illuminate\Http\Request as HttpRequest;
use Illuminate\Session\Store;
use Illuminate\Support\Facades\Facade;
use Illuminate\Support\Once;
use Illuminate\Support\Str;
use ReflectionFunction;
use RustDaemon\Request;
use Throwable;
use WeakMap;

/**
 * What a handler may leave behind in the application, and the next one is not to find: see Fresh.
 *
 * Of some services all plain properties are kept as they were when the worker asked for this, or when the service was
 * made after that, and put back before each handler; others are told to forget. A service that was never asked for is
 * not made for it, but for those that the configuration goes into: made by a handler, they would keep what that handler
 * has configured.
 *
 * What is not put back, php/LARAVEL.md says.
 *
 * @internal
 */
final class Sandbox
{
    /** By service: its properties that are caches, and stay. */
    private const KEPT = [
        'auth' => ['guards', 'customCreators', 'customProviderCreators'],
        'config' => [],
        'cookie' => [],
        'translator' => ['loaded', 'parsed'],
        'url' => [],
        'validator' => [],
        'view' => [],
    ];

    /** What has the configuration's locale, or domain, from when it is made. */
    private const CONFIGURED = ['cookie', 'translator'];

    /** @var array<string, array<string, mixed>> by service: its plain properties */
    private array $kept = [];

    /** @var array<string, mixed> of URL::defaults(), which are not the generator's own */
    private array $urlDefaults = [];

    /** @var array<string, array<string, mixed>> by channel: the log's context */
    private array $logContext = [];

    /** @var array<string, mixed> of channels that are made later: Laravel 9 */
    private array $sharedLogContext = [];

    /** @var list<array{array<string, Store>, WeakMap<object, ?Store>}> of each handler that runs, the sessions before
     * it: by driver, and by redirector */
    private array $sessionsBefore = [];

    /** @var WeakMap<object, true> redirectors that somebody has: each keeps a session */
    private readonly WeakMap $redirectors;

    /** @var array<string, bool> by connection: whether it keeps a log of its queries */
    private array $queryLogs = [];

    /** Who says which user is meant. */
    private ?Closure $userResolver = null;

    private readonly ?string $carbonLocale;
    private readonly mixed $environment;
    private readonly ?HttpRequest $request;

    private function __construct(private readonly Application $app)
    {
        $this->request = $app->bound('request') ? clone $app->make('request') : null;
        $this->environment = $app->bound('env') ? $app->make('env') : null;
        $this->carbonLocale = class_exists(Carbon::class) ? Carbon::getLocale() : null;
        if ($app->resolved('log')) {
            $log = $app->make('log');
            $context = static fn (object $channel): array => self::properties($channel)['context'] ?? [];
            $this->logContext = array_map($context, $log->getChannels());
            $this->sharedLogContext = self::properties($log)['sharedContext'] ?? [];
        }
        $this->redirectors = new WeakMap();
        $know = function (object $redirector): void {
            $this->redirectors[$redirector] = true;
        };
        $app->resolved('redirect') && $know($app->make('redirect'));
        $app->afterResolving('redirect', $know);
        foreach ($app->resolved('db') ? $app->make('db')->getConnections() : [] as $name => $connection) {
            $this->queryLogs[$name] = $connection->logging();
        }
        array_map($app->make(...), array_filter(self::CONFIGURED, $app->bound(...)));
        foreach (self::KEPT as $name => $caches) {
            $keep = fn (object $service) => $this->keep($name, $service, $caches);
            $app->resolved($name) ? $keep($app->make($name)) : $app->afterResolving($name, $keep);
        }
    }

    /**
     * The application's own, made when it is asked for first.
     */
    public static function of(Application $app): self
    {
        $app->bound(self::class) || $app->instance(self::class, new self($app));
        return $app->make(self::class);
    }

    /**
     * Before a handler: everything is as it was.
     */
    public function restore(): void
    {
        $locale = $this->kept['translator']['locale'] ?? null;
        $hasMoved = $locale !== null && $this->app->make('translator')->getLocale() !== $locale;
        $this->request === null || $this->app->instance('request', clone $this->request); // who has it is told
        foreach ($this->kept as $name => $properties) {
            self::put($this->app->make($name), $properties);
        }
        if (isset($this->kept['url'])) {
            self::put($this->app->make('url'), ['routeGenerator' => null]); // made anew, without any
            $this->app->make('url')->defaults($this->urlDefaults);
        }
        $hasMoved && $this->app->setLocale($locale); // Carbon hears of it, too
        $this->carbonLocale === null || Carbon::setLocale($this->carbonLocale);
        $this->environment === null || $this->app->instance('env', $this->environment);
        $this->leaveTransactions('before');
        $this->putQueryLogsBack();
        $this->putLogBack();
        $this->forgetGuards();
        $this->app->forgetInstance('auth.driver');
        $this->app->forgetScopedInstances();
        Facade::clearResolvedInstances();
        Str::flushCache();
        class_exists(Once::class) && Once::flush(); // since Laravel 11
        $this->putSessionsAside();
    }

    /**
     * After a handler: nothing is held, and nothing of it stays in the log's lines.
     */
    public function release(): void
    {
        $this->leaveTransactions('after');
        $this->putLogBack();
        $this->putSessionsBack();
        $this->app->forgetScopedInstances();
    }

    private function putLogBack(): void
    {
        if (!$this->app->resolved('log')) {
            return;
        }
        $log = $this->app->make('log');
        if (method_exists($log, 'sharedContext')) { // since Laravel 9
            self::put($log, ['sharedContext' => $this->sharedLogContext]); // shareContext() would go to all channels
        }
        foreach ($log->getChannels() as $name => $channel) {
            if (method_exists($channel, 'withoutContext')) {
                $channel->withoutContext()->withContext($this->logContext[$name] ?? $this->sharedLogContext);
            }
        }
    }

    /**
     * Each guard is in the container, too, which tells it of another request: it would stay there for ever.
     */
    private function forgetGuards(): void
    {
        if (!$this->app->resolved('auth')) {
            return;
        }
        $auth = $this->app->make('auth');
        $auth->forgetGuards();
        $this->userResolver === null || $auth->resolveUsersUsing($this->userResolver);
        $isOfNoGuard = static fn (Closure $callback): bool
            => !((new ReflectionFunction($callback))->getStaticVariables()['target'] ?? null) instanceof Guard;
        $callbacks = self::properties($this->app)['reboundCallbacks'];
        if (isset($callbacks['request'])) {
            $callbacks['request'] = array_values(array_filter($callbacks['request'], $isOfNoGuard));
            self::put($this->app, ['reboundCallbacks' => $callbacks]);
        }
    }

    /**
     * @param list<string> $caches
     */
    private function keep(string $name, object $service, array $caches): void
    {
        $this->kept[$name] = array_diff_key(self::properties($service), array_flip($caches));
        match ($name) {
            'auth' => $this->userResolver = $service->userResolver(),
            'url' => $this->urlDefaults = $service->getDefaultParameters(),
            default => null,
        };
    }

    /**
     * A handler begins without any session: those of the worker's own are out of its reach, and nothing is changed in
     * them. A redirector, which keeps the session that it was made with and is kept itself, is given the handler's.
     */
    private function putSessionsAside(): void
    {
        $ofRedirectors = new WeakMap();
        foreach ($this->redirectors as $redirector => $_) {
            $ofRedirectors[$redirector] = (fn (): ?Store => $this->session ?? null)->call($redirector);
        }
        $this->sessionsBefore[] = [$this->sessions(), $ofRedirectors];
        $this->putSessions([]);
        if (count($ofRedirectors) === 0 || !$this->app->bound('session.store')) {
            return;
        }
        try {
            $session = $this->app->make('session.store');
        } catch (Throwable) { // its driver was that of a handler's configuration
            $session = null;
            $this->forgetRedirector();
        }
        foreach ($ofRedirectors as $redirector => $_) {
            self::put($redirector, ['session' => $session]);
        }
    }

    /**
     * The worker has its sessions again; those that the handler has made are forgotten. A redirector that it has made
     * is left without one, and who asks for a redirector next makes another.
     */
    private function putSessionsBack(): void
    {
        [$sessions, $ofRedirectors] = array_pop($this->sessionsBefore);
        $this->putSessions($sessions);
        foreach ($this->redirectors as $redirector => $_) {
            $session = $ofRedirectors[$redirector] ?? null;
            self::put($redirector, ['session' => $session]);
            $session === null && $this->forgetRedirector();
        }
    }

    /**
     * @param array<string, Store> $sessions by driver
     */
    private function putSessions(array $sessions): void
    {
        $this->app->resolved('session') && self::put($this->app->make('session'), ['drivers' => $sessions]);
        $this->app->forgetInstance('session.store'); // it is one of them
    }

    /**
     * With what keeps it; what somebody has put into the container himself stays.
     */
    private function forgetRedirector(): void
    {
        $names = ['redirect', ResponseFactory::class];
        foreach (array_intersect($names, array_keys($this->app->getBindings())) as $name) {
            $this->app->forgetInstance($name);
            Facade::clearResolvedInstance($name);
        }
    }

    /**
     * @return array<string, Store> by driver
     */
    private function sessions(): array
    {
        return $this->app->resolved('session') ? $this->app->make('session')->getDrivers() : [];
    }

    private function putQueryLogsBack(): void
    {
        foreach ($this->app->resolved('db') ? $this->app->make('db')->getConnections() : [] as $name => $connection) {
            ($this->queryLogs[$name] ?? false) ? $connection->enableQueryLog() : $connection->disableQueryLog();
        }
    }

    private function leaveTransactions(string $when): void
    {
        foreach ($this->app->resolved('db') ? $this->app->make('db')->getConnections() : [] as $name => $connection) {
            $connection->flushQueryLog();
            $connection->forgetRecordModificationState();
            if ($connection->transactionLevel() === 0) {
                continue;
            }
            $method = Request::current()?->method ?? 'a handler';
            $line = "a transaction was open on the connection $name $when $method: rolled back";
            $this->app->make('log')->warning($line);
            try {
                $connection->rollBack(0);
            } catch (Throwable) {
                $this->app->make('db')->purge($name); // it is lost, and the transaction with it
            }
        }
    }

    /**
     * @return array<string, mixed> those that hold no object themselves
     */
    private static function properties(object $service): array
    {
        $all = Closure::bind(fn (): array => get_object_vars($this), $service, $service::class)();
        return array_filter($all, static fn (mixed $value): bool => !is_object($value) && !is_resource($value));
    }

    /**
     * @param array<string, mixed> $properties
     */
    private static function put(object $service, array $properties): void
    {
        Closure::bind(function () use ($properties): void {
            foreach ($properties as $name => $value) {
                $this->$name = $value;
            }
        }, $service, $service::class)();
    }
}
