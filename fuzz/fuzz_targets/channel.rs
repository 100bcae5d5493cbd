//! A channel whose memory was written over. What must hold: `rustdaemon_fuzz::channel`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rustdaemon_fuzz::channel::check_channel(bytes));
