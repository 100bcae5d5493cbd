<?php

declare(strict_types=1);

namespace RustDaemon\Tests\Laravel\Jobs;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Queue\InteractsWithQueue;
use RuntimeException;

/**
 * A job that notes its begin and its end in storage/notes.
 */
final class Work implements ShouldQueue
{
    use InteractsWithQueue;
    use Queueable;

    /**
     * @param string $how "": done at once; "hold": until storage/release is there; "block": in a native call;
     *     "nest": another one inside, then hold; "memory": a fatal error
     */
    public function __construct(
        private readonly string $name,
        private readonly string $how = '',
        public readonly ?int $timeout = null,
    ) {
    }

    public function handle(): void
    {
        self::note("$this->name begins");
        match ($this->how) {
            'fail' => throw new RuntimeException("$this->name has failed"),
            'fail, then hold' => $this->attempts() > 1 ? $this->hold() : throw new RuntimeException('once'),
            'memory' => ini_set('memory_limit', '64M') . str_repeat('x', 1 << 27),
            'hold' => $this->hold(),
            'block' => fread(fopen(storage_path('fifo'), 'r+'), 1), // a signal does not end it
            'nest' => [dispatch_sync(new self('inner')), $this->hold()],
            default => null,
        };
        self::note("$this->name ends");
    }

    private function hold(): void
    {
        while (!is_file(storage_path('release'))) {
            usleep(2000);
        }
    }

    private static function note(string $what): void
    {
        file_put_contents(storage_path('notes'), "$what\n", FILE_APPEND);
    }
}
