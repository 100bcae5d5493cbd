<?php

// `cargo xtask bench request`: the same worker without anything of ours, on two pipes: a call in each line, an answer in
// each line.

$methods = ['echo' => fn (mixed ...$args): array => $args];
while (($line = fgets(STDIN)) !== false) {
    $call = json_decode($line, true);
    fwrite(STDOUT, json_encode($methods[$call['method']](...$call['args'])) . "\n");
}
