//! Tokens, roles, the control socket, TCP, and whose directory the socket is in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustdaemon_tests::{Builder, Client, Sidecar, eventually, play_golden};
use serde_json::json;

use crate::fake;

const TOKEN: &str = "s3cret/é";
const FAILED: &str = "{\"success\":false,\"error\":{\"type\":\"auth_failed\",\
    \"message\":\"Invalid or missing auth token\"}}\n";

/// With a worker; clients must show [`TOKEN`].
#[track_caller]
fn with_token() -> Sidecar {
    let sidecar = fake("").variable("APP_TOKEN", TOKEN).flags("--token-env APP_TOKEN").start();
    wait_idle(sidecar.socket());
    sidecar
}

/// Until its worker serves.
#[track_caller]
fn wait_idle(socket: &Path) {
    let request = json!({"id": 1, "t": "req", "method": "daemon.status", "args": [], "authToken": TOKEN});
    eventually("the worker is idle", || {
        let mut client = Client::connect(socket);
        client.raw(format!("{request}\n"));
        let line = client.read_line();
        if line.contains("\"state\":\"idle\"") { Ok(()) } else { Err(line) }
    });
}

#[test]
fn with_a_token_each_dialect_asks_for_it_at_its_place() {
    play_golden(&with_token(), |name| name.starts_with("token/"));
}

#[test]
fn the_documented_probe_works_verbatim_with_a_token_and_ends_when_it_is_wrong() {
    let sidecar = with_token();
    let probe =
        r#"echo '{"id":1,"t":"req","method":"ping","args":[]}' | nc -U "$SOCK" | grep -q '"ok":true'"#;
    assert_eq!(sidecar.shell(&format!("timeout 3 sh -c '{}'", probe.replace('\'', r"'\''"))).code(), 0);
    for (right, wrong) in [("ping", "echo"), ("\"id\":1", "\"id\":0"), ("[]", "[]],\"authToken\":\"x\"")] {
        let wrong = probe.replacen(right, wrong, 1);
        let ended = sidecar.shell(&format!("timeout 3 sh -c '{}'", wrong.replace('\'', r"'\''")));
        assert_eq!(ended.code(), 1, "{wrong}: {ended:?}");
    }
}

#[test]
fn a_failed_attempt_is_logged_with_its_process_and_seldom() {
    let sidecar = with_token();
    for _ in 0..20 {
        assert_eq!(sidecar.flat(r#"{"command":"ping","authToken":"guess"}"#), FAILED);
    }
    let logged = sidecar.logged("auth_failed");
    assert_eq!(logged.len(), 1, "{logged:?}");
    let uid = nix::unistd::geteuid();
    let says =
        format!("auth_failed: pid {} (uid {uid}) has shown a wrong token, or none", std::process::id());
    assert!(logged[0].contains(&says), "{logged:?}");
}

#[test]
fn the_token_is_in_no_log_no_status_and_no_argv() {
    let sidecar = with_token();
    let echoed = sidecar.flat(&format!(r#"{{"command":"echo","authToken":"{TOKEN}","a":1}}"#));
    assert!(echoed.contains("{\"a\":1}"), "{echoed}");
    let mut client = sidecar.client();
    let status = json!({"id": 1, "t": "req", "method": "daemon.status", "args": [], "authToken": TOKEN});
    client.raw(format!("{status}\n"));
    let status = client.read_line();
    assert!(status.contains("\"pools\"") && !status.contains("s3cret"), "{status}");
    sidecar.signal(nix::sys::signal::Signal::SIGUSR2);
    sidecar.wait_logged("main#0 is idle", 1);
    assert!(!sidecar.log().contains("s3cret"));
    let argv = fs::read(format!("/proc/{}/cmdline", sidecar.pid())).unwrap();
    assert!(!String::from_utf8_lossy(&argv).contains("s3cret"));
}

/// Refused before anything starts, with this sentence.
#[track_caller]
fn is_refused(builder: Builder, code: i32, sentence: &str) {
    let refused = builder.refused();
    assert_eq!(refused.code(), code, "{refused:?}");
    assert!(refused.stderr.contains(sentence), "{sentence}\n{}", refused.stderr);
    assert!(!refused.stderr.contains("s3cret"), "{}", refused.stderr);
}

#[test]
fn a_token_that_cannot_be_is_refused_with_a_sentence() {
    let from_env = |value: &str| fake("").variable("T", value).flags("--token-env T");
    is_refused(
        fake("").flags("--token-env NOWHERE"),
        100,
        "--token-env: there is no NOWHERE in the environment",
    );
    is_refused(from_env(""), 100, "--token-env: the token in T is empty; a token has 1 to 4096 bytes");
    is_refused(from_env(&"s3cret".repeat(1000)), 100, "the token in T has 6000 bytes; a token has 1 to 4096");
    is_refused(from_env("s3cret\u{1}"), 100, "the token in T is binary; a token is UTF-8 text");
    is_refused(fake("").flags("--token-env A=B"), 100, "--token-env: \"A=B\" is not the name of a variable");
    is_refused(
        fake("").variable("T", "x").flags("--token-env T --token-file /x"),
        100,
        "--token-file: is a second source of the token, beside token_env; give one of them",
    );
    is_refused(fake("").flags("--token-fd 77"), 100, "--token-fd: descriptor 77 cannot be read");
}

/// A file with a token beside the socket.
fn token_file(builder: &Builder, content: &[u8], mode: u32) -> String {
    let file = builder.directory().join("token");
    fs::write(&file, content).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_tokens_file_is_nobody_elses() {
    for (content, mode, sentence) in [
        (
            &b"s3cret"[..],
            0o644,
            "has mode 0644: others may read or change it; a token's file has at most 0640",
        ),
        (b"s3cret", 0o660, "has mode 0660: others may read or change it"),
        (b" \n", 0o600, "is empty; a token has 1 to 4096 bytes"),
        (b"s3cret\xff", 0o600, "is binary"),
        (&[b's'; 9000], 0o600, "has 8192 bytes"),
    ] {
        let builder = fake("");
        let file = token_file(&builder, content, mode);
        is_refused(builder.flags(&format!("--token-file {file}")), 100, sentence);
    }
    is_refused(
        fake("").flags("--token-file /no/such"),
        100,
        "--token-file: /no/such cannot be read: No such file",
    );
    is_refused(fake("").flags("--token-file /dev/null"), 100, "--token-file: /dev/null is not a plain file");
    is_refused(fake("").flags("--token-file /"), 100, "--token-file: / is not a plain file");
    if nix::unistd::geteuid().is_root() {
        let builder = fake("");
        let file = token_file(&builder, b"s3cret", 0o600);
        std::os::unix::fs::chown(&file, Some(65_534), None).unwrap();
        is_refused(
            builder.flags(&format!("--token-file {file}")),
            100,
            "belongs to uid 65534; a token's file",
        );
    }
}

#[test]
fn a_token_comes_from_a_file_a_credential_or_a_descriptor() {
    let answers = |builder: Builder| {
        let sidecar = builder.start();
        wait_idle(sidecar.socket());
        assert_eq!(sidecar.flat(r#"{"command":"ping"}"#), FAILED);
        let environment = fs::read(format!("/proc/{}/environ", sidecar.descendants()[0])).unwrap();
        assert!(
            !String::from_utf8_lossy(&environment).contains("s3cret"),
            "a worker has it in its environment"
        );
        sidecar
    };
    let builder = fake("");
    let file = token_file(&builder, format!("{TOKEN}\n").as_bytes(), 0o640);
    answers(builder.flags(&format!("--token-file {file}")));

    let builder = fake("");
    token_file(&builder, TOKEN.as_bytes(), 0o400);
    let directory = builder.directory().to_str().unwrap().to_owned();
    answers(builder.variable("CREDENTIALS_DIRECTORY", &directory).flags("--token-credential token"));
    is_refused(fake("").flags("--token-credential token"), 100, "there is no CREDENTIALS_DIRECTORY");
    is_refused(fake("").flags("--token-credential ../x"), 100, "\"../x\" is not a name");

    let builder = fake("");
    let file = token_file(&builder, TOKEN.as_bytes(), 0o600);
    let sidecar = answers(builder.limits(&format!("exec 7<{file}")).flags("--token-fd 7"));
    for pid in [sidecar.pid(), sidecar.descendants()[0]] {
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
            let target = fs::read_link(entry.unwrap().path()).unwrap_or_default();
            assert_ne!(target, Path::new(&file), "pid {pid} still has it open");
        }
    }
}
