--TEST--
A fatal error and the last exception are noted on the page, with class, message, file and line
--EXTENSIONS--
rustdaemon
ffi
--ENV--
USE_TRACKED_ALLOC=1
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
function end_of(string $code, array $options = []): void
{
    $sidecar = Sidecar::serve('$worker = RustDaemon\Worker::install(); $worker->ready();' . "\n" . $code, $options);
    $sidecar->ready();
    ob_start();
    $sidecar->end();
    echo preg_replace('/^(out|err).*\n/m', '', ob_get_clean());
    foreach (['fatal', 'thrown'] as $what) {
        $parts = explode("\0", str_replace($sidecar->script(), 'SCRIPT', $sidecar->life()[$what]), 4);
        // An anonymous class has a NUL in its name; a debug PHP says where the memory was asked for.
        $parts = preg_replace(['/\d{8,}/', '/\0.*\$0/', '/ at \S+:\d+ \(/'], ['N', '', ' ('], $parts);
        echo "  $what: ", count($parts) === 4 ? strtok(implode(' | ', $parts), "\n") : 'none', "\n";
    }
}
end_of('echo "nothing"; echo @$undefined; trigger_error("a warning", E_USER_WARNING);');
end_of('try { throw new LogicException("caught"); } catch (LogicException) { } exit(1);');
end_of('throw new RuntimeException("not caught");');
end_of('function f(int $x) { } set_exception_handler(function () { exit(3); }); f("seven");');
end_of('str_repeat("x", 1 << 30);', ['-d', 'memory_limit=32M']);
end_of('nobody();');
end_of('set_error_handler(fn () => true); trigger_error("handled", E_USER_ERROR); exit(2);');
end_of('trigger_error("not handled", E_USER_ERROR);');
end_of('throw new class("nameless") extends Exception { };');
end_of('class Lazy extends Exception {
    public function __construct() { parent::__construct("eager"); unset($this->message, $this->line); }
    public function __get($name) { exit(9); }
    public function __isset($name) { exit(9); }
}
try { throw new Lazy; } catch (Lazy) { } exit(2);');
?>
--EXPECT--
exit 0
  fatal: none
  thrown: none
exit 1
  fatal: none
  thrown: SCRIPT | 3 | LogicException | caught
exit 255
  fatal: SCRIPT | 3 |  | Uncaught RuntimeException: not caught in SCRIPT:3
  thrown: SCRIPT | 3 | RuntimeException | not caught
exit 3
  fatal: none
  thrown: SCRIPT | 3 | TypeError | f(): Argument #1 ($x) must be of type int, string given, called in SCRIPT on line 3
exit 255
  fatal: SCRIPT | 3 |  | Allowed memory size of N bytes exhausted (tried to allocate N bytes)
  thrown: none
exit 255
  fatal: SCRIPT | 3 |  | Uncaught Error: Call to undefined function nobody() in SCRIPT:3
  thrown: SCRIPT | 3 | Error | Call to undefined function nobody()
exit 2
  fatal: none
  thrown: none
exit 255
  fatal: SCRIPT | 3 |  | not handled
  thrown: none
exit 255
  fatal: SCRIPT | 3 |  | Uncaught Exception@anonymous: nameless in SCRIPT:3
  thrown: SCRIPT | 3 | Exception@anonymous | nameless
exit 2
  fatal: none
  thrown: SCRIPT | 0 | Lazy | 
