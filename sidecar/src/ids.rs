//! The numbers by which the floors speak of workers and clients. Never used again within a run, so that an event
//! that comes too late can only miss.

/// Where the pool's number begins in a worker's.
const POOL_SHIFT: u32 = 40;

/// One process: a slot's next worker has another number. It carries the number of its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u64);

impl WorkerId {
    /// The `number`th worker of a pool.
    #[must_use]
    pub fn new(pool: usize, number: u64) -> Self {
        Self((pool as u64) << POOL_SHIFT | number)
    }

    /// The pool that it belongs to.
    #[must_use]
    pub fn pool(self) -> usize {
        usize::try_from(self.0 >> POOL_SHIFT).unwrap_or(usize::MAX)
    }
}

/// One accepted connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// What the kernel told of the process at the other end of a connection: unix(7), `SO_PEERCRED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its process; 0: none is known.
    pub pid: i32,
    /// That process' user; `u32::MAX`: none is known.
    pub uid: u32,
}
