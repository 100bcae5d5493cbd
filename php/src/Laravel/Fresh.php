<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

use Closure;
use Illuminate\Container\Container;
use RustDaemon\Internal\Handler;

/**
 * Handlers that find the application as it was when the worker began, whatever those before them have done to it:
 *
 * ```php
 * $this->expose('orders.list', $orders->list(...), fresh: true);          // in a command that RunsAsWorker
 * $worker->expose('orders.list', Fresh::handler($orders->list(...)));     // anywhere
 * ```
 *
 * Put back, as far as the application uses them: the configuration, the locale, the user who is logged in, the session,
 * queued cookies, the request, URL defaults, what views share, rules of the validator, the log's context, scoped
 * instances, once(). A transaction that the handler leaves open is rolled back, and a line in the log says so.
 *
 * It is not for handlers that defer their request: with several of them open, none has the application to itself.
 */
final class Fresh
{
    /**
     * @param callable $handler as Worker::expose() takes it
     * @return Closure the same, but fresh
     */
    public static function handler(callable $handler): Closure
    {
        $sandbox = Sandbox::of(Container::getInstance());
        $handler = new Handler($handler);
        return static function (mixed ...$arguments) use ($handler, $sandbox): mixed {
            $handler->check($arguments); // the extension sees this function's parameters, and not the handler's
            $sandbox->restore();
            try {
                return $handler->call($arguments);
            } finally {
                $sandbox->release();
            }
        };
    }
}
