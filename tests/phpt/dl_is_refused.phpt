--TEST--
dl() is refused with one sentence
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip PHP reads freed memory after a dl() that fails');
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
$so = substr(php()[3], strlen('extension='));
$directory = own_directory();
copy($so, "$directory/rustdaemon.so");
run_command([PHP_BINARY, '-n', '-d', "extension_dir=$directory", '-d', 'enable_dl=1', '-d', 'html_errors=0', '-r',
    'var_dump(dl("rustdaemon.so"), extension_loaded("rustdaemon"), class_exists("RustDaemon\Worker"));']);
?>
--EXPECT--
Warning: dl(): rustdaemon cannot be loaded with dl(): write extension=rustdaemon into php.ini in Command line code on line 1

Fatal error: Unable to start rustdaemon module in Unknown on line 0
exit 255
