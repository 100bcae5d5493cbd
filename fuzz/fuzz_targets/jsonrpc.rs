//! A JSON-RPC frame, alone or in a batch. What must hold: `rustdaemon_fuzz::checks`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rustdaemon_fuzz::checks::check_jsonrpc(bytes));
