//! The sidecar's parsers as a library, from the sidecar's own files, and what must hold of them; and what must hold of a
//! damaged channel.
//!
//! The sidecar is a program: nothing can be linked with it. Its modules that read what others write need no more of it
//! than each other, so they are compiled here once more, under the paths by which they know each other.

#[path = "../../sidecar/src"]
mod sidecar {
    pub mod access;
    pub mod client;
    pub mod dialect;
    pub mod ids;
    pub mod lines;
    pub mod stream;
}

pub mod channel;
pub mod checks;

pub use sidecar::{access, client, dialect, ids, lines, stream};
