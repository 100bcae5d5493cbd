//! Copying between CPUs: bytes that another one has written last, or has read last.
//!
//! # How it works
//! From some KiB on the C library copies by `rep movsb`, which is the fastest way within the caches of one CPU, and a slow
//! one for lines that lie in another's: of 64 KiB through a ring between two cores it makes 175 000 a second, plain moves of
//! 16 bytes 225 000 (Xeon, Cascade Lake; 4 KiB: 3.5 and 3.8 million, 1 MiB: 10 300 and 11 700). So from [`LONG`] on we
//! move ourselves, where the processor has such moves for certain.
//!
//! Neither wider moves, nor prefetching, nor stores past the caches did better there; the last took twice as long.
//!
//! Sources: Intel 64 and IA-32 Architectures Optimization Reference Manual, "Enhanced REP MOVSB"; glibc
//! sysdeps/x86_64/multiarch/memmove-vec-unaligned-erms.S.

/// From how many bytes on the C library's way is left: there it begins to use `rep movsb`.
const LONG: usize = 2048;

/// Copies bytes.
///
/// # Safety
/// As many can be read from one and written to the other, and these are not the same.
#[inline]
pub unsafe fn copy(from: *const u8, to: *mut u8, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    if bytes >= LONG {
        // SAFETY: as the caller promises.
        unsafe { copy_long(from, to, bytes) };
        return;
    }
    // SAFETY: as the caller promises.
    unsafe { from.copy_to_nonoverlapping(to, bytes) };
}

/// # Safety
/// As [`copy`].
#[cfg(target_arch = "x86_64")]
unsafe fn copy_long(from: *const u8, to: *mut u8, bytes: usize) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_storeu_si128};
    const MOVE: usize = size_of::<__m128i>();
    const LINE: usize = 4 * MOVE;
    let whole = bytes - bytes % LINE;
    for at in (0..whole).step_by(LINE) {
        // SAFETY: a line lies before the end of both; SSE2 is part of x86-64.
        unsafe {
            let (from, to) = (from.add(at).cast::<__m128i>(), to.add(at).cast::<__m128i>());
            let line = [0, 1, 2, 3].map(|part| _mm_loadu_si128(from.add(part)));
            for (part, moved) in line.into_iter().enumerate() {
                _mm_storeu_si128(to.add(part), moved);
            }
        }
    }
    // SAFETY: what is left of both.
    unsafe { from.add(whole).copy_to_nonoverlapping(to.add(whole), bytes - whole) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_arrive_and_no_others_are_touched() {
        let bytes: Vec<u8> = (0..3 * LONG).map(|number| (number % 251) as u8).collect();
        for length in (0..70).chain(LONG - 2..LONG + 130).chain([2 * LONG + 17]) {
            for (skip, over) in [(0, 0), (3, 5), (8, 24), (63, 1)] {
                let mut to = vec![255; 3 * LONG];
                // SAFETY: both have as many bytes from there on.
                unsafe { copy(bytes.as_ptr().add(skip), to.as_mut_ptr().add(over), length) };
                assert_eq!(to[over..over + length], bytes[skip..skip + length], "{length} {skip} {over}");
                assert!(to[..over].iter().chain(&to[over + length..]).all(|byte| *byte == 255));
            }
        }
    }
}
