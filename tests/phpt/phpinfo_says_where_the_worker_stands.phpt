--TEST--
phpinfo() has a section with versions, the ini entry and the worker's place
--EXTENSIONS--
rustdaemon
--FILE--
<?php
require __DIR__ . '/include/sidecar.php';
foreach (['', 'RustDaemon\Worker::install(name: "opcua");'] as $before) {
    run_php($before . 'ob_start(); phpinfo(INFO_MODULES);'
        . 'preg_match("/\nrustdaemon\n.*?rustdaemon\.sidecar[^\n]*/s", ob_get_clean(), $found); echo $found[0] ?? "none";');
}
?>
--EXPECT--
rustdaemon

Version => 0.1.0
Link versions => 1 to 5
Worker => none: Worker::install() has not been called

Directive => Local Value => Master Value
rustdaemon.force_stop => 3 => 3
rustdaemon.sidecar => no value => no value
exit 0

rustdaemon

Version => 0.1.0
Link versions => 1 to 5
Worker => unsupervised as opcua#0, generation 1

Directive => Local Value => Master Value
rustdaemon.force_stop => 3 => 3
rustdaemon.sidecar => no value => no value
exit 0
