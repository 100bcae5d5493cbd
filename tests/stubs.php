<?php

/**
 * Prints stubs/rustdaemon.stub.php: signatures from Reflection of the loaded extension, texts from its Rust sources.
 *
 *     php -n -d extension=PATH tests/stubs.php ext/src > stubs/rustdaemon.stub.php
 *
 * The text of an item is the block of `///` lines above the line `// stub: NAME`, where NAME is a class,
 * `Class::method` or `Class::$property`. An item without a text, or a text without an item, is an error; only a constant
 * may do without.
 */

declare(strict_types=1);

const EXTENSION = 'rustdaemon';

exit(main($argv));

function main(array $argv): int
{
    if (count($argv) !== 2 || !is_dir($argv[1]) || !extension_loaded(EXTENSION)) {
        fwrite(STDERR, "usage: php -n -d extension=PATH {$argv[0]} ext/src\n");
        return 64;
    }
    $texts = texts($argv[1]);
    $out = "<?php\n\n// Made by tests/stubs.php from the extension itself. Do not edit: cargo xtask stubs.\n";
    $classes = (new ReflectionExtension(EXTENSION))->getClasses();
    uksort($classes, static fn (string $a, string $b): int => sort_key($a) <=> sort_key($b));
    $namespace = null;
    foreach ($classes as $class) {
        if ($class->getNamespaceName() !== $namespace) {
            $out .= $namespace === null ? '' : "}\n";
            $namespace = $class->getNamespaceName();
            $out .= "\nnamespace $namespace\n{\n";
        } else {
            $out .= "\n";
        }
        $out .= indent(class_stub($class, $texts));
    }
    $out .= "}\n";
    foreach (array_keys($texts) as $unused) {
        fwrite(STDERR, "// stub: $unused names nothing in the extension\n");
    }
    if ($texts !== []) {
        return 1;
    }
    echo $out;
    return 0;
}

/** Namespaces after their parents, names in order. */
function sort_key(string $class): array
{
    $parts = explode('\\', $class);
    $name = array_pop($parts);
    return [count($parts), implode('\\', $parts), $name];
}

/** The texts of all Rust files below a directory, by the name they are for. */
function texts(string $directory): array
{
    $files = iterator_to_array(new RecursiveIteratorIterator(
        new RecursiveDirectoryIterator($directory, FilesystemIterator::SKIP_DOTS),
    ));
    ksort($files);
    $texts = [];
    foreach ($files as $path => $file) {
        if ($file->getExtension() !== 'rs') {
            continue;
        }
        $block = [];
        foreach (file($path, FILE_IGNORE_NEW_LINES) as $line) {
            $line = trim($line);
            if (str_starts_with($line, '///')) {
                $block[] = preg_replace('~^/// ?~', '', $line);
                continue;
            }
            if (preg_match('~^// stub: (\S+)$~', $line, $found)) {
                if ($block === [] || isset($texts[$found[1]])) {
                    throw new RuntimeException("$path: $found[1] has no text, or two");
                }
                $texts[$found[1]] = $block;
            }
            $block = [];
        }
    }
    return $texts;
}

function class_stub(ReflectionClass $class, array &$texts): string
{
    $name = $class->getName();
    $out = comment(take($texts, $name));
    if ($class->isInterface()) {
        $parents = $class->getInterfaceNames();
        $parents = array_filter($parents, static fn (string $p): bool => !inherited($p, $parents));
        $out .= 'interface ' . $class->getShortName() . clause('extends', $parents, $class);
    } else {
        $parent = $class->getParentClass();
        $interfaces = $class->getInterfaceNames();
        $interfaces = array_filter($interfaces, static fn (string $i): bool =>
            !($parent && $parent->implementsInterface($i)) && !inherited($i, $interfaces));
        $out .= ($class->isFinal() ? 'final ' : '') . ($class->isAbstract() ? 'abstract ' : '')
            . 'class ' . $class->getShortName()
            . clause('extends', $parent ? [$parent->getName()] : [], $class)
            . clause('implements', $interfaces, $class);
    }
    $members = [];
    foreach ($class->getReflectionConstants() as $constant) {
        if ($constant->getDeclaringClass()->getName() === $name) {
            $text = isset($texts["$name::" . $constant->getName()]) ? comment(take($texts, "$name::" . $constant->getName())) : '';
            $members[] = $text . implode(' ', Reflection::getModifierNames($constant->getModifiers()))
                . ' const ' . $constant->getName() . ' = ' . var_export($constant->getValue(), true) . ";\n";
        }
    }
    foreach ($class->getProperties() as $property) {
        if ($property->getDeclaringClass()->getName() === $name) {
            $members[] = comment(take($texts, "$name::\$" . $property->getName()))
                . implode(' ', Reflection::getModifierNames($property->getModifiers()))
                . ($property->hasType() ? ' ' . type($property->getType(), $class) : '')
                . ' $' . $property->getName() . ";\n";
        }
    }
    foreach ($class->getMethods() as $method) {
        if ($method->getDeclaringClass()->getName() === $name) {
            $members[] = comment(take($texts, "$name::" . $method->getName())) . method($method, $class);
        }
    }
    $body = '';
    foreach ($members as $member) {
        $plain = str_starts_with($member, 'public const');
        $body .= ($body === '' || $plain && $was_plain ? '' : "\n") . indent($member);
        $was_plain = $plain;
    }
    return "$out\n{\n$body}\n";
}

function method(ReflectionMethod $method, ReflectionClass $class): string
{
    $parameters = array_map(static fn (ReflectionParameter $p): string => parameter($p, $class), $method->getParameters());
    $return = $method->getReturnType();
    return implode(' ', Reflection::getModifierNames($method->getModifiers()))
        . ' function ' . ($method->returnsReference() ? '&' : '') . $method->getName()
        . '(' . implode(', ', $parameters) . ')'
        . ($return === null ? '' : ': ' . type($return, $class))
        . ($method->isAbstract() ? ";\n" : "\n{\n}\n");
}

function parameter(ReflectionParameter $parameter, ReflectionClass $class): string
{
    $type = $parameter->getType();
    // The default as it was written: getDefaultValue() would make 384 of 0600.
    preg_match('/ = (.+) \]$/', (string) $parameter, $default);
    return ($type === null ? '' : type($type, $class) . ' ')
        . ($parameter->isPassedByReference() ? '&' : '') . ($parameter->isVariadic() ? '...' : '')
        . '$' . $parameter->getName()
        . (isset($default[1]) && !$parameter->isVariadic() ? ' = ' . preg_replace('/^NULL$/', 'null', $default[1]) : '');
}

function type(ReflectionType $type, ReflectionClass $class): string
{
    if ($type instanceof ReflectionNamedType) {
        $name = $type->isBuiltin() || $type->getName() === 'static' ? $type->getName() : name($type->getName(), $class);
        return ($type->allowsNull() && !in_array($name, ['null', 'mixed']) ? '?' : '') . $name;
    }
    $names = array_map(static fn (ReflectionType $part): string => type($part, $class), $type->getTypes());
    sort($names);
    if (in_array('null', $names)) {
        $names = [...array_diff($names, ['null']), 'null'];
    }
    return implode($type instanceof ReflectionIntersectionType ? '&' : '|', $names);
}

/** A class name as it is written inside the namespace of $class. */
function name(string $name, ReflectionClass $class): string
{
    $prefix = $class->getNamespaceName() . '\\';
    return str_starts_with($name, $prefix) ? substr($name, strlen($prefix)) : "\\$name";
}

function clause(string $word, array $names, ReflectionClass $class): string
{
    sort($names);
    return $names === [] ? '' : " $word " . implode(', ', array_map(static fn (string $n): string => name($n, $class), $names));
}

/** Whether another interface of the list brings this one along. */
function inherited(string $interface, array $all): bool
{
    foreach ($all as $other) {
        if ($other !== $interface && is_subclass_of($other, $interface)) {
            return true;
        }
    }
    return false;
}

function take(array &$texts, string $name): array
{
    $text = $texts[$name] ?? throw new RuntimeException("no text above a line // stub: $name");
    unset($texts[$name]);
    return $text;
}

function comment(array $lines): string
{
    $lines = array_map(static fn (string $line): string => rtrim(' * ' . str_replace('*/', '* /', $line)), $lines);
    return "/**\n" . implode("\n", $lines) . "\n */\n";
}

function indent(string $text): string
{
    return preg_replace('/^(?=.)/m', '    ', $text);
}
