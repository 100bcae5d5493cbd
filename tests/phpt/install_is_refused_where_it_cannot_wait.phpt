--TEST--
install() is refused inside a fiber, an output callback, a destructor and a shutdown function
--EXTENSIONS--
rustdaemon
--FILE--
<?php
function attempt(): void
{
    try {
        RustDaemon\Worker::install();
        echo "accepted\n";
    } catch (RustDaemon\Exception\NotAllowedHere $e) {
        $GLOBALS['said'] = $e->getMessage();
    }
}
final class Guard
{
    public function __destruct()
    {
        $this->later();
    }

    private function later(): void
    {
        array_map(static fn () => attempt(), [1]);
    }
}
(new Fiber(attempt(...)))->start();
echo $said, "\n";
new Guard();
echo $said, "\n";
ob_start(static function (string $buffer): string {
    attempt();
    return $buffer;
});
ob_end_flush();
echo $said, "\n";
register_shutdown_function(static function (): void {
    attempt();
    echo $GLOBALS['said'], "\n";
});
?>
--EXPECT--
RustDaemon\Worker::install() cannot be called inside a fiber: it waits at the gate, or starts the script again
RustDaemon\Worker::install() cannot be called in a destructor: it waits at the gate, or starts the script again
RustDaemon\Worker::install() cannot be called in an output callback: it waits at the gate, or starts the script again
RustDaemon\Worker::install() cannot be called in a shutdown function: it waits at the gate, or starts the script again
