//! A stream, in pieces. What must hold: `rustdaemon_fuzz::checks`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rustdaemon_fuzz::checks::check_split(bytes));
