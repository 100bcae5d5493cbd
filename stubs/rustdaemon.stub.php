<?php

// Made by tests/stubs.php from the extension itself. Do not edit: cargo xtask stubs.

namespace RustDaemon
{
    /**
     * A worker: this PHP process, as the sidecar `rustdaemon` knows it.
     *
     * One per process. Under a sidecar it is supervised: it is restarted when it dies, and its exposed methods can be
     * called on the sidecar's socket. Without one the same code runs unsupervised: signals end the loop, nobody calls.
     *
     * ```php
     * $worker = RustDaemon\Worker::install(socket: '/run/plc/plc.sock');
     * $worker->expose('plc.read', fn (string $node, int $attribute = 13) => $plc->read($node, $attribute));
     * exit($worker->run());
     * ```
     */
    final class Worker
    {
        /**
         * The name of the pool: what install(name:) or the sidecar's --name says, else "main".
         */
        public readonly string $name;

        /**
         * The worker's number in its pool, from 0.
         */
        public readonly int $slot;

        /**
         * Which release of the code this worker belongs to: 1, and one more with each reload.
         */
        public readonly int $generation;

        /**
         * Workers come from Worker::install().
         */
        private function __construct()
        {
        }

        /**
         * Makes this process a worker. Call it once, when everything is ready to serve.
         *
         * Under a sidecar it waits at the gate until the sidecar lets this worker in. Without one, and with socket:, it
         * starts the script again under a new sidecar, in the same process (execve): it does not return then, and what the
         * script had opened is closed. RUSTDAEMON=off in the environment prevents that. Otherwise the worker is unsupervised.
         * From here on SIGTERM and SIGINT end run() and make shouldStop() true. A second call returns the same object.
         *
         * @param string|null $name the pool's name: 1 to 64 of the characters A-Z a-z 0-9 . _ -; null: "main"
         * @param string|null $socket path of the Unix socket, at most 107 bytes; relative to the working directory
         * @param int|string $mode the socket's permission bits: 0660 or "0660"
         * @param string|null $token comes with a later release
         * @param int $workers how many workers the pool has, 1 to 1024
         * @return Worker the worker of this process
         * @throws Exception\InvalidArgument an argument, or RUSTDAEMON in the environment, is not possible
         * @throws Exception\UnsupportedSapi not under php-cli
         * @throws Exception\NotAllowedHere inside a fiber, an output callback, a destructor or a shutdown function
         * @throws Exception\SidecarNotFound the binary is not where it was looked for
         * @throws Exception\SelfStartFailed the script cannot be started again
         * @throws Exception\LinkBroken the sidecar has gone, or a wrapper closed its descriptors
         * @throws Exception\LinkRefused the sidecar does not let this worker in
         */
        public static function install(?string $name = null, ?string $socket = null, int|string $mode = 0600, ?string $token = null, int $workers = 1): Worker
        {
        }

        /**
         * Offers a method to the clients of the socket.
         *
         * A list of arguments is passed by position, an object by name. What the handler returns is encoded as JSON. An
         * exception is answered with its short class name and message and logged; the worker lives on.
         *
         * @param string $method 1 to 128 of the characters A-Z a-z 0-9 _ . : / -; ping, daemon.*, worker.*, farm.* and
         * system.* are reserved
         * @param callable $handler gets the arguments of the request
         * @param string|null $description one line for people, shown by daemon.methods
         * @param bool $idempotent whether running it twice does no harm
         * @return Worker this worker
         * @throws Exception\InvalidArgument the name is not possible, reserved or taken
         */
        public function expose(string $method, callable $handler, ?string $description = null, bool $idempotent = false): Worker
        {
        }

        /**
         * Serves requests until told to stop: SIGTERM, SIGINT, the sidecar's order or its end.
         *
         * A request in hand is finished, and its reply sent, before it returns.
         *
         * @return int 0, for exit()
         * @throws Exception\NotAllowedHere from a handler of this worker
         */
        public function run(): int
        {
        }

        /**
         * One turn for a loop of your own: waits for one request and serves it.
         *
         * It returns early when a PHP signal handler has run.
         *
         * @param float|null $timeout how long to wait, in seconds; null: as long as it takes, 0.0: do not wait
         * @return bool false: stop now
         * @throws Exception\InvalidArgument the timeout is negative or not a number
         * @throws Exception\NotAllowedHere from a handler of this worker
         */
        public function tick(?float $timeout): bool
        {
        }

        /**
         * Whether to stop: SIGTERM, SIGINT, the sidecar's order or its end. Does not wait.
         *
         * In a loop that exposes no methods the first call also tells the sidecar that this worker is ready.
         *
         * @return bool true: finish and end
         */
        public function shouldStop(): bool
        {
        }

        /**
         * Whether a sidecar supervises this worker and is there.
         *
         * @return bool false: unsupervised, or the sidecar has gone
         */
        public function supervised(): bool
        {
        }
    }
}

namespace RustDaemon\Exception
{
    /**
     * Implemented by every exception that rustdaemon throws.
     */
    interface DaemonException extends \Throwable
    {
    }

    /**
     * An argument, or the variable RUSTDAEMON in the environment, has a value that is not possible.
     */
    class InvalidArgument extends \InvalidArgumentException implements DaemonException
    {
    }

    /**
     * The connection to the sidecar that started this process cannot be used, or ended at the gate.
     */
    class LinkBroken extends \RuntimeException implements DaemonException
    {
    }

    /**
     * The sidecar did not let this worker in. The message is the sidecar's reason.
     */
    class LinkRefused extends \RuntimeException implements DaemonException
    {
    }

    /**
     * The method cannot be called from here: a fiber, an output callback, a destructor, a shutdown function, or
     * a handler of the worker itself.
     */
    class NotAllowedHere extends \LogicException implements DaemonException
    {
    }

    /**
     * The script could not start itself again under the sidecar. Nothing has changed.
     */
    class SelfStartFailed extends \RuntimeException implements DaemonException
    {
    }

    /**
     * The sidecar's binary is not where it was looked for. The message names the places.
     */
    class SidecarNotFound extends \RuntimeException implements DaemonException
    {
    }

    /**
     * The extension works under php-cli only; in every other SAPI it does nothing.
     */
    class UnsupportedSapi extends \RuntimeException implements DaemonException
    {
    }
}
