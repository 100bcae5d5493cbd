--TEST--
A child's object has its destructor called, also where its handle was that of an object of its parent's
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--FILE--
<?php
use RustDaemon\Process;

class Told
{
    public function __construct(private string $name) {}
    public function __destruct() { echo $this->name, "\n"; }
}

$fill = array_map(fn () => new stdClass(), range(1, 2000));
// An object that its destructor has made reachable again: no destructor is called when it is given up for good.
$revive = function (): void {
    $object = new class {
        public function __destruct() { $GLOBALS['revived'][] = $this; }
    };
};
array_map($revive, range(1, 3));
$parents = new Told("the parent's");
Process::fork(function (): void {
    $handles = array_map(spl_object_id(...), $GLOBALS['revived']);
    $GLOBALS['revived'] = null;
    for ($i = 1; $i <= 2; $i++) {
        $one = new Told("given up $i");
        echo in_array(spl_object_id($one), $handles, true) ? 'of the parent: ' : 'new: ';
        $one = null;
    }
    $GLOBALS['parents'] = null;                     // stays
    $GLOBALS['last'] = [new Told('at the end 1'), new Told('at the end 2'), new Told('at the end 3'), new Told('at the end 4')];
    // Those get the three handles, the last one first. In a grandchild they are a parent's.
    printf("grandchild: %d\n", Process::fork(function (): int {
        $GLOBALS['last'] = null;
        new Told('its own');
        return 6;
    })->wait()->code);
})->wait();
echo 'the parent has ', count($GLOBALS['revived']), "\n";
?>
--EXPECT--
of the parent: given up 1
of the parent: given up 2
its own
grandchild: 6
at the end 3
at the end 2
at the end 1
at the end 4
the parent has 3
the parent's
