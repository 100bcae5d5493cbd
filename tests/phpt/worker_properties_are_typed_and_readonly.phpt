--TEST--
name, slot, generation and predecessor are typed readonly properties; nothing can be added
--EXTENSIONS--
rustdaemon
--FILE--
<?php
$worker = RustDaemon\Worker::install(name: 'opcua');
foreach ((new ReflectionClass($worker))->getProperties() as $property) {
    echo implode(' ', Reflection::getModifierNames($property->getModifiers())), ' ', $property->getType(), ' ',
        $property->getName(), ' = ', var_export($property->getValue($worker), true), "\n";
}
$attempts = [
    fn () => $worker->name = 'other',
    fn () => $worker->slot++,
    function () use ($worker) { unset($worker->generation); },
    fn () => $worker->more = 1,
    fn () => clone $worker,
    fn () => serialize($worker),
    fn () => unserialize('O:17:"RustDaemon\\Worker":0:{}'),
    fn () => new RustDaemon\Worker(),
    fn () => (new ReflectionClass($worker))->newInstanceWithoutConstructor(),
];
foreach ($attempts as $attempt) {
    try {
        $attempt();
        echo "accepted\n";
    } catch (Throwable $e) {
        echo get_class($e), ': ', $e->getMessage(), "\n";
    }
}
var_dump((new ReflectionClass($worker))->isFinal());
?>
--EXPECT--
public readonly string name = 'opcua'
public readonly int slot = 0
public readonly int generation = 1
public readonly ?RustDaemon\ExitReason predecessor = NULL
Error: Cannot modify readonly property RustDaemon\Worker::$name
Error: Cannot modify readonly property RustDaemon\Worker::$slot
Error: Cannot unset readonly property RustDaemon\Worker::$generation
Error: Cannot create dynamic property RustDaemon\Worker::$more
Error: Trying to clone an uncloneable object of class RustDaemon\Worker
Exception: Serialization of 'RustDaemon\Worker' is not allowed
Exception: Unserialization of 'RustDaemon\Worker' is not allowed
Error: Call to private RustDaemon\Worker::__construct() from global scope
ReflectionException: Class RustDaemon\Worker is an internal class marked as final that cannot be instantiated without invoking its constructor
bool(true)
