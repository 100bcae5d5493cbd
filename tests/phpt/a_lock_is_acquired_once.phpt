--TEST--
Acquiring a lock that the process holds, or releasing one that it does not hold, is an exception
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';
use RustDaemon\Lock;

$name = own_name();
$lock = Lock::open($name);
$same = Lock::open($name);
$say = fn (callable $call) => print str_replace($name, 'NAME', thrown($call)) . "\n";
$say($lock->release(...));
$say($lock->acquire(...));
$say($lock->acquire(...));
$say(fn () => $same->acquire(0.0));
(new Fiber(fn () => $say(fn () => $same->acquire(1.0))))->start();
$say($same->release(...));
$say($lock->release(...));
$say(fn () => $lock->acquire(-1.0));
$say(fn () => $lock->acquire(NAN));
$say(fn () => $lock->acquire('soon'));
$say(fn () => clone $lock);
$say(fn () => serialize($lock));
$say(fn () => (new ReflectionClass(Lock::class))->newInstance());
$say(fn () => (new ReflectionClass(Lock::class))->newInstanceWithoutConstructor());
?>
--EXPECT--
NotAllowedHere: this process does not hold the lock "NAME": only who has acquired it releases it
returned true
NotAllowedHere: this process holds the lock "NAME" already: release() it before it is acquired again
NotAllowedHere: this process holds the lock "NAME" already: release() it before it is acquired again
NotAllowedHere: this process holds the lock "NAME" already: release() it before it is acquired again
returned NULL
NotAllowedHere: this process does not hold the lock "NAME": only who has acquired it releases it
InvalidArgument: timeout: must be a number of seconds from 0.0, or null to wait as long as it takes
InvalidArgument: timeout: must be a number of seconds from 0.0, or null to wait as long as it takes
TypeError: RustDaemon\Lock::acquire(): Argument #1 ($timeout) must be of type ?float, string given
Error: Trying to clone an uncloneable object of class RustDaemon\Lock
Exception: Serialization of 'RustDaemon\Lock' is not allowed
ReflectionException: Access to non-public constructor of class RustDaemon\Lock
ReflectionException: Class RustDaemon\Lock is an internal class marked as final that cannot be instantiated without invoking its constructor
