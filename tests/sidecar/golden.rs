//! The dialects, byte for byte: the exchanges of tests/fixtures against a real sidecar.

use rustdaemon_tests::play_golden;

use crate::idle;

/// Those of one directory, without what only PHP's encoder does.
#[track_caller]
fn play_all(prefix: &str) {
    play_golden(&idle(), |name| name.starts_with(prefix) && !name.ends_with("encoder.txt"));
}

#[test]
fn flat_is_opcua_session_managers() {
    play_all("flat/");
}

#[test]
fn typed_is_the_contracts() {
    play_all("typed/");
}

#[test]
fn json_rpc_is_the_specifications() {
    play_all("jsonrpc/");
}

#[test]
fn the_dialects_mix_on_one_connection() {
    play_all("mixed.txt");
}
