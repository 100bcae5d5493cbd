<?php
// channel.php KIND MODE SIZE COUNT PRODUCERS [SOCKET]: strings of SIZE bytes between processes. MODE flow: COUNT of them from
// PRODUCERS processes to this one; round: COUNT of them there and back; idle: this one waits for a message that does not
// come. KIND calls: the same loops around methods of PHP's own that do nothing. Says "ready", is told "go", says how many a second.

[, $kind, $mode, $size, $count, $producers] = $argv;
[$size, $count, $producers] = [(int) $size, (int) $count, (int) $producers];
$text = str_repeat('x', $size);

/** Starts a process that does this and no more. */
function forked(callable $do): int
{
    $pid = pcntl_fork();
    if ($pid === 0) {
        $do();
        posix_kill(getmypid(), SIGKILL);
    }
    return $pid;
}

// The loops stand out in full: a call more for each message would be measured as well.
if ($kind === 'channel') {
    $bytes = max(1 << 20, 4 * $size);
    [$there, $back] = [RustDaemon\Channel::create($bytes), RustDaemon\Channel::create($bytes)];
    $produce = function (int $count) use ($there, $text): void {
        for ($i = 0; $i < $count; $i++) {
            $there->send($text);
        }
    };
    $consume = function () use ($there, $count): void {
        for ($i = 0; $i < $count; $i++) {
            $message = $there->receive();
        }
    };
    $answer = function () use ($there, $back, $count): void {
        for ($i = 0; $i < $count; $i++) {
            $back->send($there->receive());
        }
    };
    $ask = function () use ($there, $back, $count, $text): void {
        for ($i = 0; $i < $count; $i++) {
            $there->send($text);
            $message = $back->receive();
        }
    };
} elseif ($kind === 'sysvmsg') {
    [$there, $back] = [msg_get_queue(0), msg_get_queue(0)];
    register_shutdown_function(function () use ($there, $back): void {
        msg_remove_queue($there);
        msg_remove_queue($back);
    });
    $produce = function (int $count) use ($there, $text): void {
        for ($i = 0; $i < $count; $i++) {
            msg_send($there, 1, $text, false);
        }
    };
    $consume = function () use ($there, $count, $size): void {
        for ($i = 0; $i < $count; $i++) {
            msg_receive($there, 0, $type, $size, $message, false);
        }
    };
    $answer = function () use ($there, $back, $count, $size): void {
        for ($i = 0; $i < $count; $i++) {
            msg_receive($there, 0, $type, $size, $message, false);
            msg_send($back, 1, $message, false);
        }
    };
    $ask = function () use ($there, $back, $count, $size, $text): void {
        for ($i = 0; $i < $count; $i++) {
            msg_send($there, 1, $text, false);
            msg_receive($back, 0, $type, $size, $message, false);
        }
    };
} elseif ($kind === 'redis') {
    $connect = function () use ($argv): Redis {
        $redis = new Redis();
        $redis->connect($argv[6]);
        return $redis;
    };
    $produce = function (int $count) use ($connect, $text): void {
        $redis = $connect();
        for ($i = 0; $i < $count; $i++) {
            $redis->rPush('there', $text);
        }
    };
    $consume = function () use ($connect, $count): void {
        $redis = $connect();
        for ($i = 0; $i < $count; $i++) {
            [, $message] = $redis->blPop(['there'], 0);
        }
    };
} elseif ($kind === 'calls') {
    [$there, $back] = [new ArrayObject(), new ArrayObject()];
    $produce = function (int $count) use ($back): void {
        for ($i = 0; $i < $count; $i++) {
            $back->setFlags(0);
        }
    };
    $consume = function () use ($there, $count): void {
        for ($i = 0; $i < $count; $i++) {
            $message = $there->getFlags();
        }
    };
} else {
    [$left, $right] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
    $produce = function (int $count) use ($left, $text): void {
        for ($i = 0; $i < $count; $i++) {
            fwrite($left, $text);
        }
    };
    $consume = function () use ($right, $count, $size): void {
        for ($i = 0; $i < $count; $i++) {
            for ($message = fread($right, $size); strlen($message) < $size;) {
                $message .= fread($right, $size - strlen($message));
            }
        }
    };
    $answer = function () use ($right, $count, $size): void {
        for ($i = 0; $i < $count; $i++) {
            fwrite($right, fread($right, $size));
        }
    };
    $ask = function () use ($left, $count, $size, $text): void {
        for ($i = 0; $i < $count; $i++) {
            fwrite($left, $text);
            $message = fread($left, $size);
        }
    };
}

echo "ready\n";
fgets(STDIN);
if ($mode === 'idle') {
    echo "waits\n";
    $there->receive();
}
$began = hrtime(true);
$children = [];
if ($mode === 'flow') {
    for ($producer = 0; $producer < $producers; $producer++) {
        $children[] = forked(fn () => $produce(intdiv($count, $producers)));
    }
    $consume();
} else {
    $children[] = forked($answer);
    $ask();
}
$seconds = (hrtime(true) - $began) / 1e9;
foreach ($children as $child) {
    pcntl_waitpid($child, $status);
}
echo $count / $seconds, "\n";
