--TEST--
A child with very many resources of its own ends as fast as a script does, and closes the newest first, and what that opens
--EXTENSIONS--
rustdaemon
--SKIPIF--
<?php if (getenv('USE_ZEND_ALLOC') === '0') die('skip forks'); ?>
--INI--
memory_limit=1G
--FILE--
<?php
use RustDaemon\Process;

class Told
{
    public $context;
    private string $name;

    public function stream_open(string $path): bool
    {
        $this->name = $path;
        return true;
    }

    public function stream_close(): void
    {
        echo "closed: {$this->name}\n";
        if ($this->name === 'told://2') {
            $GLOBALS['late'] = fopen('told://late', 'w');
        }
    }

    public function stream_write(string $data): int { return strlen($data); }
    public function stream_flush(): bool { return true; }
}

stream_wrapper_register('told', Told::class);
$parents = fopen('told://parent', 'w');
echo Process::fork(function () use ($parents): int {
    global $keep;
    foreach (['told://1', 'told://2', 'told://3'] as $path) {
        $keep[] = fopen($path, 'w');
    }
    $parents = null;
    return 3;
})->wait()->code, "\n";
// Their square takes minutes.
echo Process::fork(function (): int {
    global $keep;
    for ($i = 0; $i < 500_000; $i++) {
        $keep[] = stream_context_create();
    }
    return 4;
})->wait()->code, "\n";
?>
--EXPECT--
closed: told://3
closed: told://2
closed: told://1
closed: told://late
3
4
closed: told://parent
