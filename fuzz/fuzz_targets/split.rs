#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rustdaemon_fuzz::checks::check_split(bytes));
