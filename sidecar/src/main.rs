//! rustdaemon: binds the JSON socket and keeps PHP workers alive.
//!
//! Floors (a module uses only lower ones; `cargo xtask lint` reads this table):
//!
//! F7 `main`       argv -> exit code
//! F6 `cli`        the commands
//! F5 `event_loop` the only user of mio: readiness -> Event, Action -> the module that does it
//! F4 `daemon`     pure: pools, router and built-in methods under one `(now, Event) -> Vec<Action>`
//! F3 `verbs`      pure: built-in methods
//! F3 `events`     pure: what subscribers are told
//! F3 `message`    pure: what somebody sends to workers
//! F3 `pool`       pure: slots, restart, limits, hangs, reload, stop
//! F2 `router`     pure: requests: queue, in flight, deadline
//! F2 `order`      plain data: what a pool wants done
//! F2 `life`       pure: one worker's life and its ending
//! F2 `setup`      reads the configuration, and checks what the machine must have for it
//! F2 `logs`       workers' output: captured, forwarded or appended, kept, followed
//! F2 `listener`   bind, owner lock
//! F2 `control`    pure: what an operator asks for
//! F2 `worker`     the sidecar's end of one worker
//! F2 `client`     one non-blocking client connection
//! F2 `crowd`      pure: what all clients together may use
//! F2 `takeover`   what a killed sidecar has left behind
//! F1 `config`     pure: file and flags -> validated Config
//! F1 `process`    spawn, signal, reap
//! F1 `lines`      pure: lines out of pieces, and the last of them
//! F1 `life_lock`  which slots still have a worker
//! F1 `backoff`    pure: when an ended worker is started again
//! F1 `latency`    pure: how long requests took lately
//! F1 `logfile`    a file that lines are appended to
//! F1 `sink`       our own stdout and stderr, without waiting for their readers
//! F1 `reason`     pure: why a worker ended
//! F1 `stream`     one connection's socket
//! F1 `dev`        files that change, for run --dev
//! F1 `dialect`    FLAT, TYPED, JSON-RPC <-> Request, answers
//! F1 `sessions`   pure: which worker has which session
//! F1 `strays`     processes that nobody waits for any more
//! F0 `access`     pure: token, peer -> role
//! F0 `identity`   which user and groups a name stands for
//! F0 `birth`      what a worker is born with
//! F1 `doing`      pure: what a worker is doing, from its page and /proc
//! F0 `proc`       facts about a process from /proc
//! F0 `text`       pure: words for people
//! F0 `sorted`     a sorted set for what comes and goes nearly in order
//! F0 `seldom`     what is to be in the log once in a while
//! F0 `ids`        numbers of workers and clients
//! F0 `lock_file`  files that exist to be locked
//! F0 `env_file`   a file of NAME=value lines

mod access;
mod backoff;
mod birth;
mod cli;
mod client;
mod config;
mod control;
mod crowd;
mod daemon;
mod dev;
mod dialect;
mod doing;
mod env_file;
mod event_loop;
mod events;
mod identity;
mod ids;
mod latency;
mod life;
mod life_lock;
mod lines;
mod listener;
mod lock_file;
mod logfile;
mod logs;
mod message;
mod order;
mod pool;
mod proc;
mod process;
mod reason;
mod router;
mod seldom;
mod sessions;
mod setup;
mod sink;
mod sorted;
mod strays;
mod stream;
mod takeover;
mod text;
mod verbs;
mod worker;

fn main() -> std::process::ExitCode {
    cli::main().into()
}
