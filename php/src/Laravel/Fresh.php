<?php

declare(strict_types=1);

namespace RustDaemon\Laravel;

use Closure;
use Illuminate\Container\Container;
use ReflectionFunction;
use ReflectionParameter;
use RustDaemon\Exception\InvalidArgument;
use TypeError;

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
        $function = new ReflectionFunction($handler(...));
        $isMagic = self::isMagic($function);
        $hasReferences = array_filter($function->getParameters(), static fn (ReflectionParameter $parameter): bool
            => $parameter->isPassedByReference()) !== [];
        return static function (mixed ...$arguments) use (
            $function,
            $handler,
            $hasReferences,
            $isMagic,
            $sandbox,
        ): mixed {
            $refusal = $isMagic ? null : self::check($function, $arguments);
            $refusal === null || throw new InvalidArgument($refusal);
            $arguments = $hasReferences ? self::references($arguments) : $arguments;
            $sandbox->restore();
            try {
                return $isMagic
                    ? $handler(...$arguments)
                    : $function->invokeArgs($arguments); // "12" may become an int: as the extension calls it
            } catch (TypeError $why) {
                $refusal = self::refusal($function, $why);
                throw $refusal === null ? $why : new InvalidArgument($refusal);
            } finally {
                $sandbox->release();
            }
        };
    }

    /**
     * Whether it is a name that __call() serves, which takes whatever it is given.
     */
    private static function isMagic(ReflectionFunction $function): bool
    {
        $class = $function->getClosureScopeClass();
        return $function->isInternal() && $class !== null && !$class->hasMethod($function->getName());
    }

    /**
     * For a parameter that is a reference: given a value by its name, PHP 8.2 warns, and writes where no memory is when
     * an error handler turns the warning into an exception.
     *
     * @param array<mixed> $arguments
     * @return array<mixed>
     */
    private static function references(array $arguments): array
    {
        $references = [];
        foreach (array_keys($arguments) as $name) {
            $references[$name] = &$arguments[$name];
        }
        return $references;
    }

    /**
     * The extension sees this function's parameters, and not the handler's: so what it would refuse is refused here.
     *
     * @param array<mixed> $arguments
     * @return string|null why they cannot be passed
     */
    private static function check(ReflectionFunction $function, array $arguments): ?string
    {
        $parameters = [];
        foreach ($function->getParameters() as $parameter) {
            $parameters[$parameter->getName()] = $parameter;
        }
        $named = array_filter($arguments, is_string(...), ARRAY_FILTER_USE_KEY);
        $unknown = $function->isVariadic() ? null : array_key_first(array_diff_key($named, $parameters));
        if ($unknown !== null) {
            return "unknown argument \"$unknown\"";
        }
        $byPosition = count($arguments) - count($named);
        if ($function->isInternal() && !$function->isVariadic() && $byPosition > count($parameters)) {
            return "too many arguments: $byPosition given, at most " . count($parameters) . ' expected';
        }
        foreach (array_slice($parameters, $byPosition) as $name => $parameter) {
            if (!$parameter->isOptional() && !array_key_exists($name, $named)) {
                return "missing argument \"$name\"";
            }
        }
        return null;
    }

    /**
     * Whether the handler itself was given a wrong type; what its own code throws is no mistake of the client's.
     */
    private static function refusal(ReflectionFunction $function, TypeError $why): ?string
    {
        $place = $why->getTrace()[0] ?? [];
        $isIts = ($place['function'] ?? null) === $function->getName() && !isset($place['file']);
        // What a variadic parameter takes has no name there.
        $pattern = '/: Argument #(\d+)(?: \(\$(\w+)\))? (must be of type .+ given)$/D';
        if (!$isIts || !preg_match($pattern, $why->getMessage(), $found)) {
            return null;
        }
        $name = $found[2] === '' ? $found[1] : "\"$found[2]\"";
        return "argument $name " . preg_replace('/(\w+\\\\)+/', '', $found[3]); // namespaces are ours
    }
}
