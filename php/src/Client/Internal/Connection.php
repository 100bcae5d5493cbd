<?php

declare(strict_types=1);

namespace RustDaemon\Client\Internal;

use RustDaemon\Client\ProtocolError;

/**
 * One connection: frames in, lines out, never longer than one is asked to wait.
 *
 * A connection has ended when everything that the other end had written was read; what cannot be written any more
 * does not end it, because answers may still be there.
 *
 * @internal
 */
final class Connection
{
    /**
     * A line that is longer is nobody's answer: a worker's result has at most 16 MiB.
     */
    private const MAX_LINE_BYTES = 32 * 1024 * 1024;
    private const CHUNK_BYTES = 65536;
    /**
     * Read in one turn, so that who writes without an end does not keep the caller from looking at the clock.
     */
    private const TURN_CHUNKS = 32;
    /**
     * Where stream_select() cannot wait, since its descriptors end at 1023.
     */
    private const BLIND_PAUSE_MICROSECONDS = 1000;

    private string $input = '';
    private string $output = '';
    /** How much of the output has been written. */
    private int $written = 0;
    /** How many bytes have been put before those in the output. */
    private int $gone = 0;
    private bool $open = true;
    private bool $writable = true;

    /**
     * @param resource $stream that does not block
     */
    public function __construct(private $stream, private readonly string $shown)
    {
    }

    /**
     * @return int a mark for hasSent()
     */
    public function put(string $frame): int
    {
        $this->output .= $frame;
        return $this->gone + strlen($this->output);
    }

    /**
     * Whether the kernel has everything up to this mark: a frame of which it has less is no request.
     */
    public function hasSent(int $mark): bool
    {
        return $this->gone + $this->written >= $mark;
    }

    public function isOpen(): bool
    {
        return $this->open;
    }

    /**
     * Waits until something can be written or read, then does so.
     *
     * @param float|null $patience in seconds; 0.0: does not wait, null: as long as it takes
     * @return list<string> lines that have come, without their newlines
     * @throws ProtocolError a line without an end
     */
    public function turn(?float $patience): array
    {
        if ($patience !== 0.0) {
            $this->wait($patience);
        }
        $this->write();
        return $this->read();
    }

    private function wait(?float $patience): void
    {
        $micros = (int) ceil(($patience ?? 0.0) * 1e6);
        [$seconds, $micros] = $patience === null ? [null, null] : [intdiv($micros, 1_000_000), $micros % 1_000_000];
        $read = [$this->stream];
        $write = $this->output !== '' && $this->writable ? [$this->stream] : [];
        $except = [];
        if (@stream_select($read, $write, $except, $seconds, $micros) === false) {
            usleep(self::BLIND_PAUSE_MICROSECONDS); // or a signal has come
        }
    }

    private function write(): void
    {
        while ($this->writable && $this->output !== '') {
            $bytes = @fwrite($this->stream, substr($this->output, $this->written, self::CHUNK_BYTES));
            if ($bytes === 0) {
                return;
            }
            if ($bytes === false) {
                $this->writable = false;
                return;
            }
            $this->written += $bytes;
            if ($this->written === strlen($this->output)) {
                $this->gone += $this->written;
                $this->output = '';
                $this->written = 0;
            }
        }
    }

    /**
     * @return list<string>
     */
    private function read(): array
    {
        $lines = [];
        $isAll = false;
        for ($turn = 0; $turn < self::TURN_CHUNKS && !$isAll; $turn++) {
            $bytes = @fread($this->stream, self::CHUNK_BYTES);
            if ($bytes === '' || $bytes === false) {
                $this->open = !stream_get_meta_data($this->stream)['eof'];
                return $lines;
            }
            $parts = explode("\n", $bytes);
            $this->input .= $parts[0]; // in place: a line of 16 MiB comes in hundreds of pieces
            if (count($parts) > 1) {
                $parts[0] = $this->input;
                $this->input = array_pop($parts);
                array_push($lines, ...$parts);
            }
            $isAll = strlen($bytes) < self::CHUNK_BYTES; // of what is there; the end is seen in the next turn
            if (strlen($this->input) > self::MAX_LINE_BYTES) {
                throw new ProtocolError("what listens at $this->shown is not rustdaemon: a line of more than "
                    . self::MAX_LINE_BYTES . ' bytes came');
            }
        }
        return $lines;
    }
}
