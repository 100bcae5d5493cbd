//! The numbers by which the floors speak of workers and clients. Never used again within a run, so that an event
//! that comes too late can only miss.

/// One process: a slot's next worker has another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u64);

/// One accepted connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);
