<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Contract;

use PHPUnit\Framework\Attributes\DataProvider;
use PHPUnit\Framework\TestCase;
use ReflectionClass;
use ReflectionMethod;
use ReflectionParameter;

/**
 * What stubs/rustdaemon.stub.php declares is what is there.
 */
final class SignatureTest extends TestCase
{
    /**
     * @dataProvider classes
     */
    #[DataProvider('classes')]
    public function testMethodsParametersAndPropertiesAreThoseOfTheStub(string $name): void
    {
        $stub = file_get_contents(__DIR__ . '/../../../stubs/rustdaemon.stub.php');
        self::assertSame(1, preg_match("/^    final class $name\n.*?\n    }\n/sm", $stub, $found));
        preg_match_all('/^        public (?:static )?function \w+\(.*$/m', $found[0], $functions);
        preg_match_all('/^        public readonly .*;$/m', $found[0], $properties);
        $words = static fn (string $line): string
            => str_replace(' = 0600', ' = 384', preg_replace('/^ *public (static )?|;$|: .*$/', '', $line));
        $class = new ReflectionClass("RustDaemon\\$name");
        $isShown = static fn (ReflectionMethod $m): bool => !str_contains((string) $m->getDocComment(), '@internal');
        $methods = array_filter($class->getMethods(ReflectionMethod::IS_PUBLIC), $isShown);
        $methods = array_values(array_map(self::written(...), $methods));
        self::assertEqualsCanonicalizing(array_map($words, $functions[0]), $methods);
        $values = array_map(
            static fn (\ReflectionProperty $p): string => "readonly {$p->getType()} \${$p->getName()}",
            $class->getProperties(\ReflectionProperty::IS_PUBLIC),
        );
        $declared = str_replace('?ExitReason', '?RustDaemon\ExitReason', array_map($words, $properties[0]));
        self::assertEqualsCanonicalizing($declared, $values);
    }

    public static function classes(): array
    {
        return [
            ['Worker'],
            ['Signal'],
            ['SignalInfo'],
            ['Lock'],
        ];
    }

    public function testEveryClassAndExceptionOfTheStubIsThere(): void
    {
        $stub = file_get_contents(__DIR__ . '/../../../stubs/rustdaemon.stub.php');
        $declaration = '/^    (?:final )?(?:class|interface) (\w+)(?: extends (\S+))?/m';
        preg_match_all($declaration, $stub, $found, PREG_SET_ORDER);
        self::assertGreaterThan(20, count($found));
        foreach ($found as $declared) {
            [$name, $parent] = [$declared[1], $declared[2] ?? ''];
            $class = $parent === '' ? "RustDaemon\\$name" : "RustDaemon\\Exception\\$name";
            self::assertTrue(class_exists($class) || interface_exists($class), $class);
            $parent === '' || self::assertTrue(is_a($class, ltrim($parent, '\\'), true), "$class is a $parent");
        }
    }

    private static function written(ReflectionMethod $method): string
    {
        $parameter = static function (ReflectionParameter $p): string {
            preg_match('/ = (.+) \]$/', (string) $p, $default);
            $types = explode('|', (string) $p->getType());
            sort($types);
            return implode('|', $types) . ($p->isVariadic() ? ' ...' : ' ') . '$' . $p->getName()
                . (isset($default[1]) ? ' = ' . strtr($default[1], ['NULL' => 'null', '0600' => '384']) : '');
        };
        return "function {$method->getName()}(" . implode(', ', array_map($parameter, $method->getParameters())) . ')';
    }
}
