<?php
// For tests of what wakes an event loop.

use RustDaemon\Channel;

/** Whether a stream is readable, within so many seconds. */
function polled($stream, float $seconds = 0.0): string
{
    $read = [$stream];
    $none = null;
    return stream_select($read, $none, $none, 0, (int) ($seconds * 1e6)) === 1 ? 'readable' : 'silent';
}

/**
 * What one who polls a named channel sees of what a fork does. The fork has the channel open, but was made before anybody
 * polled it, and first loses something.
 */
function heard(callable $act, callable $lose): string
{
    $channel = Channel::open(own_name());
    [$ours, $its] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
    $child = pcntl_fork();
    if ($child === 0) {
        fgets($its);
        $lose();
        $act($channel);
        posix_kill(getmypid(), SIGKILL);
    }
    $stream = $channel->stream();
    if (polled($stream) !== 'silent') {
        return 'rings too early';
    }
    fwrite($ours, "now\n");
    pcntl_waitpid($child, $status);
    $stats = $channel->stats();
    $messages = $stats['messages'] === 1 ? '1 message' : "$stats[messages] messages";
    return polled($stream) . ", $messages" . ($stats['closed'] ? ', closed' : '');
}
