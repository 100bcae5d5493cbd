--TEST--
Exceptions share one interface, carry file, line and trace, and can be made and extended in PHP
--EXTENSIONS--
rustdaemon
--FILE--
<?php
use RustDaemon\Exception;

foreach ((new ReflectionExtension('rustdaemon'))->getClassNames() as $name) {
    $class = new ReflectionClass($name);
    if ($class->isSubclassOf(Throwable::class) && !$class->isInterface()) {
        $previous = new LogicException('before');
        $made = new $name('text', 7, $previous);
        echo $name, ' extends ', $class->getParentClass()->getName(), ' ', $made instanceof Exception\DaemonException ? 'ok' : 'no',
            ' ', $made->getMessage(), ' ', $made->getCode(), ' ', $made->getPrevious() === $previous ? 'ok' : 'no',
            ' ', $made->getLine() === 8 ? 'ok' : 'no', "\n";
    }
}
final class Mine extends Exception\InvalidArgument implements Exception\DaemonException
{
}
try {
    throw new Mine('mine');
} catch (Exception\DaemonException $e) {
    echo get_class($e), ' ', $e->getMessage(), "\n";
}
function deeper(): void
{
    RustDaemon\Worker::install(name: '');
}
try {
    deeper();
} catch (Throwable $e) {
    echo basename($e->getFile()) === basename(__FILE__) ? 'ok' : 'no', ' ', $e->getLine(), "\n";
    echo str_replace(__FILE__, 'FILE', $e->getTraceAsString()), "\n";
}
?>
--EXPECT--
RustDaemon\Exception\InvalidArgument extends InvalidArgumentException ok text 7 ok ok
RustDaemon\Exception\UnsupportedSapi extends RuntimeException ok text 7 ok ok
RustDaemon\Exception\NotAllowedHere extends LogicException ok text 7 ok ok
RustDaemon\Exception\SidecarNotFound extends RuntimeException ok text 7 ok ok
RustDaemon\Exception\SelfStartFailed extends RuntimeException ok text 7 ok ok
RustDaemon\Exception\LinkBroken extends RuntimeException ok text 7 ok ok
RustDaemon\Exception\LinkRefused extends RuntimeException ok text 7 ok ok
RustDaemon\Exception\SystemCallFailed extends RuntimeException ok text 7 ok ok
RustDaemon\Exception\MaxSessionsReached extends RuntimeException ok text 7 ok ok
RustDaemon\Exception\SessionTaken extends RuntimeException ok text 7 ok ok
RustDaemon\Exception\SessionNotFound extends RuntimeException ok text 7 ok ok
RustDaemon\Exception\Timeout extends RuntimeException ok text 7 ok ok
RustDaemon\Exception\Closed extends RuntimeException ok text 7 ok ok
RustDaemon\Exception\SegmentUnusable extends RuntimeException ok text 7 ok ok
RustDaemon\Exception\MessageUnreadable extends RuntimeException ok text 7 ok ok
RustDaemon\Exception\MessageTooLarge extends RuntimeException ok text 7 ok ok
Mine mine
ok 24
#0 FILE(24): RustDaemon\Worker::install('')
#1 FILE(27): deeper()
#2 {main}
