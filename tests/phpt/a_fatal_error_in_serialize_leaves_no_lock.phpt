--TEST--
After exit() or a fatal error inside send() and receive(), shutdown functions serialize as ever
--EXTENSIONS--
rustdaemon
ffi
--FILE--
<?php
require __DIR__ . '/include/shared.php';

$code = <<<'PHP'
    use RustDaemon\Channel;

    class Ends implements Serializable
    {
        public static bool $reads = false;

        public function serialize(): string
        {
            self::$reads || leave();
            return '';
        }

        public function unserialize(string $data): void
        {
            leave();
        }
    }
    class EndsInMagic
    {
        public function __serialize(): array
        {
            leave();
        }
    }
    class Plain
    {
    }
    class Packs implements Serializable
    {
        public function __construct(public mixed $held = null)
        {
        }

        public function serialize(): string
        {
            return serialize($this->held);
        }

        public function unserialize(string $data): void
        {
            $this->held = unserialize($data);
        }
    }
    class Calls
    {
        public function __construct(private Closure $call)
        {
        }

        public function __serialize(): array
        {
            ($this->call)();
            return [];
        }
    }
    function leave(): never
    {
        if (getenv('LEAVE') === 'exit') {
            exit;
        }
        eval('class Plain {}');     // Cannot declare class Plain: a fatal error, which leaves by longjmp
    }
    function receive(Channel $channel): void
    {
        Ends::$reads = true;
        $channel->send([new Plain(), new Ends()]);
        $channel->receive(0.0);
    }
    $channel = Channel::create(1 << 16, ['Ends', 'EndsInMagic', 'Plain', 'Packs']);
    register_shutdown_function(function () use ($channel): void {
        $value = [$plain = new Plain(), new Packs($plain)];
        $same = fn (array $got): string => get_class($got[0]) . ($got[0] === $got[1]->held ? ' same' : ' other');
        // After a fatal error PHP leaves its own count as it is.
        echo getenv('CALL') === 'send in serialize' ? '' : $same(unserialize(serialize($value))) . ', ';
        $channel->send($value);
        echo 'through the channel ', $same($channel->receive(0.0)), "\n";
    });
    $ends = [new Plain(), getenv('WITH') === '__serialize' ? new EndsInMagic() : new Ends()];
    match (getenv('CALL')) {
        'send' => $channel->send($ends),
        'send in serialize' => serialize(new Calls(fn () => $channel->send($ends))),
        'receive' => receive($channel),
    };
    PHP;
foreach (['exit', 'fatal error'] as $leave) {
    foreach (['send', 'send in serialize', 'receive'] as $call) {
        foreach ($call === 'receive' ? ['unserialize()'] : ['serialize()', '__serialize'] as $with) {
            echo "$leave, $call, $with: ";
            run_php($code, ['LEAVE' => $leave, 'CALL' => $call, 'WITH' => $with], ['-d', 'display_errors=0', '-d', 'log_errors=0']);
        }
    }
}
?>
--EXPECT--
exit, send, serialize(): Plain same, through the channel Plain same
exit 0
exit, send, __serialize: Plain same, through the channel Plain same
exit 0
exit, send in serialize, serialize(): through the channel Plain same
exit 0
exit, send in serialize, __serialize: through the channel Plain same
exit 0
exit, receive, unserialize(): Plain same, through the channel Plain same
exit 0
fatal error, send, serialize(): Plain same, through the channel Plain same
exit 255
fatal error, send, __serialize: Plain same, through the channel Plain same
exit 255
fatal error, send in serialize, serialize(): through the channel Plain same
exit 255
fatal error, send in serialize, __serialize: through the channel Plain same
exit 255
fatal error, receive, unserialize(): Plain same, through the channel Plain same
exit 255
