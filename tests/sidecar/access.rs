//! Tokens, roles, the control socket, TCP, and whose directory the socket is in.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::thread;

use rustdaemon_core::sys;
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

/// Does something as somebody else. Needs root.
#[track_caller]
fn somebody<T: Send>(uid: u32, gid: u32, groups: &[u32], what: impl FnOnce() -> T + Send) -> T {
    let become_somebody = move || {
        // This thread's own alone: raw system calls, where glibc's would change the whole process.
        sys::set_groups(groups).and_then(|()| sys::set_group(gid)).and_then(|()| sys::set_user(uid)).unwrap();
        what()
    };
    thread::scope(|scope| scope.spawn(become_somebody).join()).unwrap()
}

fn is_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        eprintln!("skipped: only root can be somebody else");
    }
    is_root
}

/// Its directory lets everybody through to the sockets in it.
fn opened(builder: Builder) -> Builder {
    fs::set_permissions(builder.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    builder
}

/// The class of what a method is answered with; `ok`: data.
#[track_caller]
fn asked(client: &mut Client, method: &str) -> String {
    match client.typed(method, json!([])) {
        Ok(_) => "ok".into(),
        Err(fault) => fault.class,
    }
}

#[test]
fn each_role_may_what_it_may_and_no_more() {
    if !is_root() {
        return;
    }
    let flags =
        "--socket-mode 0666 --access status=uid:40001 --access control=gid:40050 --access admin=uid:40003";
    let sidecar = opened(fake("").flags(flags)).start();
    sidecar.wait_state(0, "idle");
    let may = |client: &mut Client| {
        ["ping", "daemon.status", "daemon.methods", "daemon.logs", "echo", "worker.pause", "worker.resume"]
            .map(|method| asked(client, method))
    };
    let (look, call) = (["ok"; 4], "ok");
    let cases = [
        (40001, 40001, &[][..], "forbidden", "forbidden"),
        (40002, 40002, &[], call, "forbidden"),
        (40002, 40050, &[], call, "ok"),
        (40002, 40002, &[7, 40050, 9], call, "ok"),
        (40001, 40001, &[40050], call, "ok"),
        (40003, 40003, &[], call, "ok"),
        (0, 0, &[], call, "ok"),
    ];
    for (uid, gid, groups, call, control) in cases {
        let mut client = somebody(uid, gid, groups, || sidecar.client());
        let expected: Vec<&str> = look.into_iter().chain([call, control, control]).collect();
        assert_eq!(may(&mut client), expected[..], "uid {uid}, gid {gid}, groups {groups:?}");
        sidecar.wait_state(0, "idle");
    }
    let many: Vec<u32> = (50_000..50_200).chain([40050]).collect();
    let mut client = somebody(40002, 40002, &many, || sidecar.client());
    assert_eq!(asked(&mut client, "worker.resume"), "ok", "one of 201 groups");
    let mut weak = somebody(40002, 40050, &[], || sidecar.client());
    let refused = weak.typed("daemon.stop", json!([])).unwrap_err();
    assert_eq!(refused.class, "forbidden");
    assert!(
        refused
            .message
            .starts_with("daemon.stop needs the role admin, and this connection has the role control"),
        "{}",
        refused.message
    );
    let pid = std::process::id();
    let logged = sidecar.logged("forbidden: ");
    assert!(
        logged[0].contains(&format!("forbidden: pid {pid} (uid 40001) has the role status")),
        "{logged:?}"
    );
    assert_eq!(logged.len(), 1, "said once in a while");
    let mut strong = somebody(40003, 40003, &[], || sidecar.client());
    assert_eq!(asked(&mut strong, "daemon.stop"), "ok");
}

#[test]
fn flat_of_who_may_not_call_is_forbidden_and_knows_no_verb() {
    if !is_root() {
        return;
    }
    let sidecar = opened(fake("").flags("--socket-mode 0666 --access status=*")).start();
    sidecar.wait_state(0, "idle");
    let flat = |line: &str| somebody(40001, 40001, &[], || sidecar.client()).flat(line);
    assert!(flat(r#"{"command":"echo"}"#).contains(r#""type":"forbidden""#));
    assert!(flat(r#"{"command":"ping"}"#).contains(r#""status":"ok""#));
    assert!(flat(r#"{"command":"daemon.stop"}"#).contains(r#""type":"forbidden""#), "it is nobody's command");
}

#[test]
fn an_fpm_user_a_horizon_user_and_the_daemons_user_share_a_socket_by_one_group() {
    if !is_root() {
        return;
    }
    const DAEMON: u32 = 40010;
    const GROUP: u32 = 40050;
    let builder = fake("").flags(&format!("--socket-mode 0660 --socket-group {GROUP}")).limits(&format!(
        "umask 077; exec setpriv --reuid={DAEMON} --regid={DAEMON} --groups={GROUP} \"$@\" >&2"
    ));
    std::os::unix::fs::chown(builder.directory(), Some(DAEMON), Some(GROUP)).unwrap();
    fs::set_permissions(builder.directory(), fs::Permissions::from_mode(0o750)).unwrap();
    let sidecar = builder.start();
    sidecar.wait_state(0, "idle");
    let stat = fs::metadata(sidecar.socket()).unwrap();
    assert_eq!((stat.uid(), stat.gid(), stat.mode() & 0o7777), (DAEMON, GROUP, 0o660));
    for (who, uid, gid, groups, control) in [
        ("fpm", 40011, 40011, &[GROUP][..], "forbidden"),
        ("horizon", 40012, GROUP, &[], "forbidden"),
        ("the daemon's user", DAEMON, DAEMON, &[GROUP], "ok"),
    ] {
        let mut client = somebody(uid, gid, groups, || sidecar.client());
        assert_eq!(client.typed("echo", json!([who])), Ok(json!([who])));
        assert_eq!(asked(&mut client, "worker.resume"), control, "{who}");
        let flat = somebody(uid, gid, groups, || sidecar.client()).flat(r#"{"command":"echo","a":1}"#);
        assert!(flat.contains(r#"{"a":1}"#), "{flat}");
    }
    let stranger = somebody(40013, 40013, &[], || Client::try_connect(sidecar.socket()).map(drop));
    assert_eq!(stranger.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

#[test]
fn what_changes_something_is_asked_on_the_control_socket_where_there_is_one() {
    if !is_root() {
        return;
    }
    let builder = opened(fake(""));
    let control = builder.directory().join("control");
    let flags = format!(
        "--socket-mode 0666 --control {} --control-mode 0660 --control-group 40050 --access status=uid:40009",
        control.display()
    );
    let mut sidecar = builder.flags(&flags).start();
    let before = sidecar.wait_state(0, "idle");
    let stat = fs::metadata(&control).unwrap();
    assert_eq!((stat.gid(), stat.mode() & 0o7777), (40050, 0o660));
    // Root, by the socket that everybody calls on: no.
    let mut root = sidecar.client();
    assert_eq!(root.typed("echo", json!([1])), Ok(json!([1])));
    let refused = root.typed("worker.restart", json!([])).unwrap_err();
    let says = format!("asked on the control socket {}", control.display());
    assert!(refused.class == "forbidden" && refused.message.contains(&says), "{refused:?}");
    assert_eq!(asked(&mut root, "daemon.stop"), "forbidden");
    assert_eq!(sidecar.worker(0)["pid"], before["pid"]);
    // Whoever may open the other one controls; a list says otherwise; nobody else gets in.
    let mut operator = somebody(40001, 40001, &[40050], || Client::connect(&control));
    assert_eq!(asked(&mut operator, "worker.pause"), "ok");
    assert_eq!(asked(&mut operator, "worker.resume"), "ok");
    assert_eq!(asked(&mut operator, "daemon.stop"), "forbidden", "that needs admin");
    assert_eq!(operator.typed("echo", json!([1])), Ok(json!([1])));
    let mut looker = somebody(40009, 40050, &[], || Client::connect(&control));
    assert_eq!(asked(&mut looker, "worker.pause"), "forbidden");
    let stranger = somebody(40002, 40002, &[], || Client::try_connect(&control).map(drop));
    assert_eq!(stranger.unwrap_err().kind(), ErrorKind::PermissionDenied);
    let mut command = std::process::Command::new(rustdaemon_tests::sidecar_binary());
    command.args(["restart", "main", "--socket"]).arg(&control);
    assert_eq!(rustdaemon_tests::Process::start(command).wait().code(), 0);
    assert_ne!(sidecar.worker(0)["pid"], before["pid"]);
    assert_eq!(asked(&mut Client::connect(&control), "daemon.stop"), "ok");
    assert_eq!(sidecar.wait().code(), 0);
    assert!(!control.exists() && !sidecar.socket().exists(), "both are unlinked");
}

#[test]
fn a_control_socket_that_cannot_be_is_refused_and_the_main_one_is_gone() {
    let builder = fake("");
    let taken = builder.directory().join("taken");
    fs::write(&taken, "mine").unwrap();
    let socket = builder.socket();
    is_refused(
        builder.flags(&format!("--control {}", taken.display())),
        111,
        "taken exists and is not a socket",
    );
    assert!(!socket.exists());
    let builder = fake("");
    let same = format!("--control {}", builder.socket().display());
    is_refused(
        builder.flags(&same),
        100,
        "--control: is the path of the socket; give the second one a path of its own",
    );
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn over_tcp_the_token_opens_the_calls_and_nothing_more() {
    for host in ["127.0.0.1", "[::1]"] {
        let address = format!("{host}:{}", free_port());
        if TcpListener::bind(&address).is_err() {
            eprintln!("skipped: no {host} here");
            continue;
        }
        let flags = format!("--token-env T --tcp {address}");
        let mut sidecar = fake("").variable("T", TOKEN).flags(&flags).start();
        wait_idle(sidecar.socket());
        let ask = |lines: &str| {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.set_read_timeout(Some(rustdaemon_tests::PATIENCE)).unwrap();
            stream.write_all(lines.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        };
        let typed = |method: &str| {
            format!("{}\n", json!({"t": "req", "id": 1, "method": method, "args": [1], "authToken": TOKEN}))
        };
        assert_eq!(
            ask(r#"{"id":1,"t":"req","method":"echo","args":[]}
"#),
            "{\"id\":1,\"t\":\"res\",\"ok\":false,\"error\":{\"class\":\"auth_failed\",\"message\":\"Invalid or missing auth token\"}}\n"
        );
        assert_eq!(ask("{\"command\":\"ping\"}\n"), FAILED);
        let twice = "{\"id\":1,\"t\":\"res\",\"ok\":true,\"data\":[1]}\n".repeat(2);
        assert_eq!(ask(&typed("echo").repeat(2)), twice, "pipelined, and answered after the half-close");
        assert!(ask(&typed("worker.pause")).contains("forbidden"));
        assert!(ask(&typed("daemon.stop")).contains("forbidden"));
        assert!(ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n").contains("invalid_json"));
        let args = "x".repeat(3_000_000);
        let big = format!(r#"{{"t":"req","id":1,"method":"echo","args":["{args}"],"authToken":"{TOKEN}"}}"#);
        assert!(ask(&format!("{big}\n")).len() > 3_000_000);
        let logged = sidecar.logged("auth_failed");
        assert!(logged[0].contains(&format!("auth_failed: {host}:")), "{logged:?}");
        assert_eq!(sidecar.stop().code(), 0);
        TcpListener::bind(&address).expect("the address is free again");
    }
}

#[test]
fn tcp_that_cannot_be_is_refused_with_a_sentence() {
    is_refused(fake("").flags("--tcp 127.0.0.1:7"), 100, "--tcp: needs a token (token_env, token_file, ...)");
    let with_token = || fake("").variable("T", TOKEN).flags("--token-env T");
    for (address, sentence) in [
        ("0.0.0.0:7", "\"0.0.0.0:7\" is not on loopback"),
        ("[::]:7", "\"[::]:7\" is not on loopback"),
        ("localhost:7", "\"localhost:7\" is not an address with a port; write 127.0.0.1:PORT or [::1]:PORT"),
        ("127.0.0.1", "\"127.0.0.1\" is not an address with a port"),
    ] {
        is_refused(with_token().flags(&format!("--tcp {address}")), 100, sentence);
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let sentence =
        format!("{address} is in use by another program; stop that one first, or give another --tcp");
    is_refused(with_token().flags(&format!("--tcp {address}")), 111, &sentence);
}

#[test]
fn a_socket_in_a_directory_of_somebody_else_or_of_everybody_is_refused() {
    let with_mode = |mode: u32| {
        let builder = fake("");
        fs::set_permissions(builder.directory(), fs::Permissions::from_mode(mode)).unwrap();
        builder
    };
    is_refused(with_mode(0o777), 100, "has mode 0777: anybody could put another socket there; chmod o-w it");
    let sticky = with_mode(0o1777).start();
    sticky.wait_state(0, "idle");
    let builder = fake("");
    let inner = builder.directory().join("d");
    fs::create_dir(&inner).unwrap();
    fs::set_permissions(&inner, fs::Permissions::from_mode(0o757)).unwrap();
    let flags = format!("--control {}/c", inner.display());
    is_refused(builder.flags(&flags), 100, "--control: the directory");
    if !is_root() {
        return;
    }
    let of_nobody = || {
        let builder = fake("");
        std::os::unix::fs::chown(builder.directory(), Some(65_534), None).unwrap();
        builder
    };
    is_refused(
        of_nobody(),
        100,
        "belongs to uid 65534, who could put another socket there; chown it to root",
    );
    of_nobody().flags("--directory-owner 65534").start().wait_state(0, "idle");
    is_refused(
        fake("").flags("--directory-owner no-such"),
        100,
        "--directory-owner: there is no user \"no-such\"",
    );
}

#[test]
fn names_in_access_that_say_nobody_are_refused() {
    for (flag, sentence) in [
        ("root=alice", "--access: root is not a role; there are: status, call, control, admin"),
        (
            "call=1000",
            "--access: call \"1000\" says nobody; write uid:1000, gid:ops, a user's name, or * for everybody",
        ),
        ("call=no-such-user", "--access: there is no user \"no-such-user\" on this system"),
        ("call=gid:no-such-group", "--access: there is no group \"no-such-group\" on this system"),
        ("call=gid:", "--access: call \"gid:\" says nobody"),
    ] {
        is_refused(fake("").flags(&format!("--access {flag}")), 100, sentence);
    }
}

#[test]
fn a_worker_whose_install_has_a_token_is_told_that_nobody_must_show_one() {
    let sidecar = fake("--token").start();
    sidecar.wait_state(0, "idle");
    sidecar.kill_worker(0);
    let logged = sidecar.logged("main#0: install() has a token, and this sidecar was started without one");
    assert_eq!(logged.len(), 1, "{logged:?}");
    let sidecar = fake("--token").variable("T", TOKEN).flags("--token-env T").start();
    wait_idle(sidecar.socket());
    assert_eq!(sidecar.logged("install() has a token"), [""; 0]);
}

#[test]
fn a_command_shows_the_token_that_it_is_given() {
    let sidecar = with_token();
    let file = sidecar.directory().join("token");
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(sidecar.cli(&["call", "echo", "[1]", "--token-file", file]).stdout, "[1]\n");
    assert_eq!(
        sidecar.shell(&format!("T='{TOKEN}' \"$BIN\" status --socket \"$SOCK\" --token-env T")).code(),
        0
    );
    assert_eq!(
        sidecar.shell(&format!("RUSTDAEMON_TOKEN='{TOKEN}' \"$BIN\" status --socket \"$SOCK\"")).code(),
        0
    );
    assert_eq!(sidecar.cli(&["ping"]).stdout, "{\"status\":\"ok\"}\n");
    let without = sidecar.cli(&["status"]);
    assert_eq!(without.code(), 1);
    assert_eq!(
        without.stderr,
        "rustdaemon: auth_failed: Invalid or missing auth token; give --token-env NAME or --token-file FILE, or set \
         RUSTDAEMON_TOKEN\n"
    );
    for (flags, sentence) in [
        (&["--token-env", "NOWHERE"][..], "--token-env: there is no NOWHERE in the environment"),
        (&["--token-file", "/no/such"], "--token-file: /no/such: No such file"),
        (&["--token-file", "/dev/null"], "--token-file: the token in /dev/null is empty"),
        (&["--token-env", "A", "--token-file", "B"], "cannot be used with"),
    ] {
        let refused = sidecar.cli(&[&["status"], flags].concat());
        assert_eq!(refused.code(), 100, "{refused:?}");
        assert!(refused.stderr.contains(sentence), "{}", refused.stderr);
    }
}

#[test]
fn a_thousand_wrong_tokens_leave_nothing_behind() {
    let sidecar = with_token();
    let open = || fs::read_dir(format!("/proc/{}/fd", sidecar.pid())).unwrap().count();
    let before = open();
    for _ in 0..1000 {
        assert_eq!(sidecar.flat(r#"{"command":"echo","authToken":"x"}"#), FAILED);
    }
    eventually("its descriptors are closed", || match open() {
        now if now <= before => Ok(()),
        now => Err(format!("{now} where there were {before}")),
    });
    let unsaid = sidecar.logged("auth_failed").len();
    assert!(unsaid < 10, "{unsaid} lines");
}
