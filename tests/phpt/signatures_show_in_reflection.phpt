--TEST--
Reflection shows the signatures as they are, the union included
--EXTENSIONS--
rustdaemon
--FILE--
<?php
foreach ((new ReflectionClass(RustDaemon\Worker::class))->getMethods() as $method) {
    echo implode(' ', Reflection::getModifierNames($method->getModifiers())), ' ', $method->getName(), "\n";
    foreach ($method->getParameters() as $parameter) {
        $default = $parameter->isOptional() ? ' = ' . var_export($parameter->getDefaultValue(), true) : '';
        echo '    ', $parameter->getType(), ' $', $parameter->getName(), $default, "\n";
    }
    echo '    : ', $method->getReturnType() ?? '-', "\n";
}
?>
--EXPECT--
private __construct
    : -
public static install
    ?string $name = NULL
    ?string $socket = NULL
    string|int $mode = 384
    ?string $token = NULL
    int $workers = 1
    : RustDaemon\Worker
public expose
    string $method
    callable $handler
    ?string $description = NULL
    bool $idempotent = false
    : RustDaemon\Worker
public run
    : int
public tick
    ?float $timeout
    : bool
public shouldStop
    : bool
public supervised
    : bool
