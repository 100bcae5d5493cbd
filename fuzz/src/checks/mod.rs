//! What must hold of any bytes that a client or a worker writes: one function per fuzz target.
//!
//! # How it works
//! Each function takes one case and panics where something does not hold. [`frame`] reads a frame a second time, with
//! serde_json and member by member, and wants the very same request or refusal from the sidecar's one walk; [`stream`]
//! says in a dozen lines what a stream of bytes means, and wants that from a real connection, whatever the pieces. All that
//! is random (pieces, places) is drawn from a hash of the case, so a case is its bytes and nothing else: golden frames are
//! seeds as they are, and a finding can be replayed by anybody.
//!
//! # Rules
//! The fuzz targets and the sidecar's unit tests (`sidecar/src/dialect/tests.rs`, which includes this directory by its path)
//! share it. It names the sidecar's modules as `crate::`.

mod frame;
mod json;
mod stream;

pub use self::frame::{check_flat, check_frame, check_jsonrpc, check_typed};
pub use self::stream::{check_split, meaning};

/// Numbers that look random and depend on a seed only: xorshift64*.
pub struct Dice(u64);

impl Dice {
    /// Whose numbers depend on these bytes: FNV-1a.
    pub fn of(bytes: &[u8]) -> Self {
        let hash = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Self(bytes.iter().fold(0xcbf2_9ce4_8422_2325, hash) | 1)
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        usize::try_from((number >> 33) % end as u64).unwrap()
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// `bytes` with one of the first `length` repeated until these are `wanted`, or one less or more: libFuzzer's cases are
/// far shorter than our limits.
fn stretched(bytes: &[u8], length: usize, wanted: usize, dice: &mut Dice) -> Vec<u8> {
    let at = dice.below(length);
    let (head, tail) = bytes.split_at(at);
    let times = (wanted - 1 + dice.below(3)).saturating_sub(length);
    [head, &vec![tail[0]; times], tail].concat()
}
