--TEST--
No stack trace shows the token that install() was given
--EXTENSIONS--
rustdaemon
--INI--
zend.exception_ignore_args=0
--FILE--
<?php
try {
    RustDaemon\Worker::install(token: strrev('terc3s'), workers: 0);
} catch (RustDaemon\Exception\InvalidArgument $e) {
    var_dump(str_contains($e->getTraceAsString(), 'SensitiveParameterValue'));
    var_dump(str_contains(print_r($e->getTrace(), true), 's3cret'));
}
$token = (new ReflectionMethod(RustDaemon\Worker::class, 'install'))->getParameters()[3];
echo $token->getName(), ': ', $token->getAttributes()[0]->getName(), "\n";
RustDaemon\Worker::install(token: strrev('terc3s'), workers: 0);
?>
--EXPECTF--
bool(true)
bool(false)
token: SensitiveParameter

Fatal error: Uncaught RustDaemon\Exception\InvalidArgument: workers: 0 is not possible: a pool has 1 to 1024 workers in %s
Stack trace:
#0 %s: RustDaemon\Worker::install(NULL, NULL, 384, Object(SensitiveParameterValue), 0)
#1 {main}
  thrown in %s on line %d
