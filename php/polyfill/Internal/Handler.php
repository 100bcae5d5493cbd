<?php

declare(strict_types=1);

namespace RustDaemon\Internal;

use ReflectionFunction;
use RustDaemon\Exception\InvalidArgument;
use TypeError;

/**
 * A method's handler, for whoever stands between it and the extension, or in the extension's place: called with the
 * arguments of a request as the extension calls it, and refused in the same words.
 *
 * @internal
 */
final class Handler
{
    /** @var callable */
    private $handler;
    private readonly ReflectionFunction $function;
    /** Whether __call() or __callStatic() takes it, with any arguments. */
    private readonly bool $isMagic;

    public function __construct(callable $handler)
    {
        $this->handler = $handler;
        $this->function = new ReflectionFunction($handler(...));
        $class = $this->function->getClosureScopeClass();
        $this->isMagic = $this->function->isInternal() && $class !== null
            && !$class->hasMethod($this->function->getName());
    }

    /**
     * Whether the handler can be called with these; their types are seen by call().
     *
     * @param array<mixed> $arguments by position or by name
     * @throws InvalidArgument
     */
    public function check(array $arguments): void
    {
        $refusal = $this->isMagic ? null : $this->misfit($arguments);
        $refusal === null || throw new InvalidArgument($refusal);
    }

    /**
     * Not under strict types: "12" may become an int.
     *
     * @param array<mixed> $arguments that have been checked
     * @throws InvalidArgument one has another type
     */
    public function call(array $arguments): mixed
    {
        // As references: given a value by its name, PHP 8.2 warns where a parameter is one, and writes where no memory
        // is when an error handler turns the warning into an exception.
        foreach ($arguments as &$argument) {
        }
        unset($argument);
        try {
            // A closure of what __call() takes has no names for its parameters.
            return $this->isMagic ? ($this->handler)(...$arguments) : $this->function->invokeArgs($arguments);
        } catch (TypeError $why) {
            $refusal = $this->refusal($why);
            throw $refusal === null ? $why : new InvalidArgument($refusal);
        }
    }

    /**
     * @param array<mixed> $arguments
     */
    private function misfit(array $arguments): ?string
    {
        $parameters = [];
        foreach ($this->function->getParameters() as $parameter) {
            $parameters[$parameter->getName()] = $parameter;
        }
        $isVariadic = $this->function->isVariadic();
        $named = array_filter($arguments, is_string(...), ARRAY_FILTER_USE_KEY);
        $unknown = $isVariadic ? null : array_key_first(array_diff_key($named, $parameters));
        if ($unknown !== null) {
            return "unknown argument \"$unknown\"";
        }
        $byPosition = count($arguments) - count($named);
        if ($this->function->isInternal() && !$isVariadic && $byPosition > count($parameters)) {
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
    private function refusal(TypeError $why): ?string
    {
        $place = $why->getTrace()[0] ?? [];
        $isIts = ($place['function'] ?? null) === $this->function->getName() && !isset($place['file']);
        // What a variadic parameter takes has no name there.
        $pattern = '/: Argument #(\d+)(?: \(\$(\w+)\))? (must be of type .+ given)$/D';
        if (!$isIts || !preg_match($pattern, $why->getMessage(), $found)) {
            return null;
        }
        $name = $found[2] === '' ? $found[1] : "\"$found[2]\"";
        return "argument $name " . preg_replace('/(\w+\\\\)+/', '', $found[3]); // namespaces are ours
    }
}
