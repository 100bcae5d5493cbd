<?php

// `cargo xtask bench idle-cost`: PHP code that has nothing to do with signals. Argument: how many turns.

$turns = (int) $argv[1];
for ($i = 0; $i < $turns; $i++) {
}
