//! What the extension and the sidecar share. No Zend, no mio, no product decisions.
//!
//! Floors (a module uses only lower ones; `cargo xtask lint` reads this table):
//!
//! F4 `child`   a child that was forked: its end, and what it has used
//! F4 `lock`    a lock with a name, for whole processes
//! F3 `self_start`  a script starts itself again under a sidecar
//! F3 `fork`    what a forked child gives up
//! F3 `ring`    a bounded ring of messages in a segment
//! F2 `counter` a number that processes share
//! F2 `rung`    what install() was given, and where the script stands
//! F2 `reaper`  the thread that takes the status of children nobody waits for
//! F2 `pulse`   the thread that says that a worker lives
//! F2 `robust`  a lock between processes that survives who holds it
//! F1 `stdin`   the standard input of forked children
//! F1 `link`    frames between sidecar and worker
//! F1 `slot`    one worker's page on the scoreboard
//! F1 `signal`  async-signal-safe capture
//! F1 `readable` waiting until a descriptor is readable
//! F1 `readiness` one descriptor that tells of everything there is to do
//! F1 `spawn`   a program started without copying this process
//! F1 `segment` memory that several processes see, and what it is
//! F1 `audit`   open sockets and foreign threads
//! F1 `futex`   sleeping on a word of several processes
//! F0 `open`    requests that are answered later
//! F0 `message` messages between PHP processes: values as bytes
//! F0 `copy`    bytes from one CPU to another
//! F0 `record`  records of signals, and the queue that carries them out of handler context
//! F0 `signo`   signal numbers and their names
//! F0 `settings` names, paths and modes, for install() and for the sidecar's flags
//! F0 `timers`  when which task is due
//! F0 `fault`   what a client may read about an exception
//! F0 `sys`     every other unsafe system call
pub mod audit;
pub mod child;
mod copy;
pub mod counter;
pub mod fault;
pub mod fork;
pub mod futex;
pub mod link;
pub mod lock;
pub mod message;
pub mod open;
pub mod pulse;
pub mod readable;
pub mod readiness;
pub mod reaper;
pub mod record;
pub mod ring;
pub mod robust;
pub mod rung;
pub mod segment;
pub mod self_start;
pub mod settings;
pub mod signal;
pub mod signo;
pub mod slot;
pub mod spawn;
pub mod stdin;
pub mod sys;
pub mod timers;
