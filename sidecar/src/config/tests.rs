//! Every key: what it takes, what it refuses, and that what is said about defaults is so.

use std::path::Path;
use std::time::Duration;

use super::keys::{POOL, TOP, defaults_as_toml};
use super::*;

fn from(format: Format, text: &str) -> Result<Config, Vec<String>> {
    let document = Document { file: "f", format, text, base: Path::new("/etc/app") };
    Draft::from_document(document, &Vec::new(), Path::new("/home/me")).finish()
}

fn toml(text: &str) -> Result<Config, Vec<String>> {
    from(Format::Toml, text)
}

fn plain() -> Config {
    let pool = PoolConfig::new("p", vec!["x".into()]);
    Config { socket: "/s".into(), pools: vec![pool], ..Config::default() }
}

/// A change of the plain configuration, on one line.
fn with(change: impl FnOnce(&mut Config, &mut PoolConfig)) -> Config {
    let mut config = plain();
    let mut pool = config.pools.remove(0);
    change(&mut config, &mut pool);
    config.pools.push(pool);
    config
}

/// The plain configuration with `key = value`, as TOML.
fn document(key: &str, value: &str) -> String {
    let mut top = vec![("socket", "'/s'")];
    let mut pool = vec![("command", "['x']")];
    let keys = if TOP.iter().any(|top| top.name == key) { &mut top } else { &mut pool };
    keys.retain(|(other, _)| *other != key);
    keys.push((key, value));
    let lines =
        |keys: &[(&str, &str)]| keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    let (top, pool): (String, String) = (lines(&top), lines(&pool));
    format!("{top}[pool.p]\n{pool}")
}

#[test]
fn every_key_takes_what_it_says() {
    let seconds = Duration::from_secs;
    let cases = [
        ("socket", "'run/s'", with(|top, _| top.socket = "/etc/app/run/s".into())),
        ("socket", "'../s'", with(|top, _| top.socket = "/etc/app/../s".into())),
        ("socket_mode", "'0660'", with(|top, _| top.socket_mode = 0o660)),
        ("socket_group", "'www'", with(|top, _| top.socket_group = Some("www".into()))),
        ("socket_group", "''", plain()),
        ("directory_owner", "'me'", with(|top, _| top.directory_owner = Some("me".into()))),
        ("control", "'c'", with(|top, _| top.control = Some("/etc/app/c".into()))),
        ("control", "''", plain()),
        ("control_mode", "'0660'", with(|top, _| top.control_mode = 0o660)),
        ("control_group", "'ops'", with(|top, _| top.control_group = Some("ops".into()))),
        ("tcp", "''", plain()),
        ("access", "{}", plain()),
        (
            "access",
            "{ status = '*', control = ['uid:7', 'gid:ops', 'alice'] }",
            with(|top, _| {
                let control = ["uid:7", "gid:ops", "alice"].map(|name| (Role::Control, name.to_owned()));
                top.access = [vec![(Role::Status, "*".to_owned())], control.to_vec()].concat();
            }),
        ),
        ("token_env", "'T'", with(|top, _| top.token_env = Some("T".into()))),
        ("token_env", "''", plain()),
        ("token_file", "'t'", with(|top, _| top.token_file = Some("/etc/app/t".into()))),
        ("token_credential", "'t'", with(|top, _| top.token_credential = Some("t".into()))),
        ("token_fd", "3", with(|top, _| top.token_fd = Some(3))),
        ("log_format", "'json'", with(|top, _| top.log_format = LogFormat::Json)),
        ("header_timeout", "'1s'", with(|top, _| top.header_timeout = Some(seconds(1)))),
        ("header_timeout", "'0s'", with(|top, _| top.header_timeout = None)),
        ("write_timeout", "'1s'", with(|top, _| top.write_timeout = Some(seconds(1)))),
        ("max_connections", "7", with(|top, _| top.max_connections = Some(7))),
        ("flat_requests", "7", with(|top, _| top.flat_requests = 7)),
        ("exit_when_parked", "true", with(|top, _| top.exit_when_parked = true)),
        ("command", "['php', '']", with(|_, pool| pool.command = vec!["php".into(), "".into()])),
        ("cwd", "'./a/../b/.'", with(|_, pool| pool.birth.cwd = Some("/etc/app/a/../b".into()))),
        ("cwd", "'.'", with(|_, pool| pool.birth.cwd = Some("/etc/app".into()))),
        ("cwd", "''", plain()),
        ("user", "'33'", with(|_, pool| pool.birth.user = Some("33".into()))),
        ("user", "33", with(|_, pool| pool.birth.user = Some("33".into()))),
        ("group", "'www'", with(|_, pool| pool.birth.group = Some("www".into()))),
        ("umask", "'027'", with(|_, pool| pool.birth.umask = Some(0o27))),
        ("nice", "-20", with(|_, pool| pool.birth.nice = Some(-20))),
        ("oom_score_adj", "1000", with(|_, pool| pool.birth.oom_score_adj = Some(1000))),
        (
            "env",
            "{ B = '1', A = '' }",
            with(|_, pool| {
                pool.birth.env = vec![("B".into(), "1".into()), ("A".into(), "".into())];
            }),
        ),
        ("env_file", "'e'", with(|_, pool| pool.birth.env_file = Some("/etc/app/e".into()))),
        ("limit_nofile", "65_536", with(|_, pool| pool.birth.limit_nofile = Some(65_536))),
        ("workers", "1024", with(|_, pool| pool.workers = 1024)),
        ("overlap", "true", with(|_, pool| pool.overlap = true)),
        ("link", "false", with(|_, pool| pool.link = false)),
        ("forever", "false", with(|_, pool| pool.forever = false)),
        ("ready_timeout", "'1m'", with(|_, pool| pool.ready_timeout = seconds(60))),
        ("ready_after", "'0s'", with(|_, pool| pool.ready_after = Duration::ZERO)),
        ("stop_timeout", "'1.5s'", with(|_, pool| pool.stop_timeout = Duration::from_millis(1500))),
        ("request_timeout", "'2s'", with(|_, pool| pool.request_timeout = seconds(2))),
        ("queue", "0", with(|_, pool| pool.queue = 0)),
        ("prefetch", "1", with(|_, pool| pool.prefetch = 1)),
        ("affinity", "'sessionId'", with(|_, pool| pool.affinity = "sessionId".into())),
        ("max_bound", "0", with(|_, pool| pool.max_bound = 0)),
        ("memory_soft", "'1.5GiB'", with(|_, pool| pool.memory_soft = Some(3 << 29))),
        ("memory_hard", "'512MB'", with(|_, pool| pool.memory_hard = Some(512_000_000))),
        ("memory_hard", "''", plain()),
        ("max_requests", "500", with(|_, pool| pool.max_requests = Some(500))),
        ("max_requests", "0", plain()),
        ("max_lifetime", "'24h'", with(|_, pool| pool.max_lifetime = Some(seconds(86_400)))),
        ("max_lifetime", "''", plain()),
        ("jitter", "0", with(|_, pool| pool.jitter = 0.0)),
        ("jitter", "1.0", with(|_, pool| pool.jitter = 1.0)),
        ("hang_timeout", "'5m'", with(|_, pool| pool.hang_timeout = Some(seconds(300)))),
        ("hang_timeout", "'0s'", with(|_, pool| pool.hang_timeout = None)),
        ("hang_timeout", "''", with(|_, pool| pool.hang_timeout = None)),
        ("hang_action", "'restart'", with(|_, pool| pool.hang_action = HangAction::Restart)),
        ("short_run", "'0s'", with(|_, pool| pool.short_run = Duration::ZERO)),
        ("start_limit", "1", with(|_, pool| pool.start_limit = 1)),
        ("start_window", "'2m'", with(|_, pool| pool.start_window = seconds(120))),
        ("backoff_max", "'1ms'", with(|_, pool| pool.backoff_max = Duration::from_millis(1))),
        ("takeover_timeout", "'0s'", with(|_, pool| pool.takeover_timeout = Duration::ZERO)),
        ("on_ready", "['a', 'b']", with(|_, pool| pool.on_ready = vec!["a".into(), "b".into()])),
        ("on_exit", "['c']", with(|_, pool| pool.on_exit = vec!["c".into()])),
        ("on_parked", "['d']", with(|_, pool| pool.on_parked = vec!["d".into()])),
        ("on_parked", "[]", plain()),
        ("hook_timeout", "'1s'", with(|_, pool| pool.hook_timeout = seconds(1))),
        ("log", "'w.log'", with(|_, pool| pool.log = LogTarget::File("/etc/app/w.log".into()))),
        ("log", "'forward'", plain()),
        ("log_pipe", "'1MiB'", with(|_, pool| pool.log_pipe = Some(1 << 20))),
        ("log_prefix", "'never'", with(|_, pool| pool.log_prefix = LogPrefix::Never)),
    ];
    for (key, value, expected) in &cases {
        assert_eq!(toml(&document(key, value)).as_ref(), Ok(expected), "{key} = {value}");
    }
    let names = TOP.iter().map(|key| key.name).chain(POOL.iter().map(|key| key.name));
    for name in names {
        assert!(cases.iter().any(|(key, ..)| *key == name), "{name} is not tested");
    }
}

#[test]
fn what_a_key_refuses_is_said_with_what_it_takes() {
    let cases = [
        ("socket", "''", "is an empty string; give a path"),
        ("socket", "7", "7 is not a string; write it in double quotes"),
        ("socket", "'unix:///s'", "\"unix:///s\" is a URL; give the path of a Unix socket"),
        ("socket_mode", "660", "660 is not an octal number in double quotes, such as \"0660\""),
        (
            "tcp",
            "'localhost:1'",
            "\"localhost:1\" is not an address with a port; write 127.0.0.1:PORT or [::1]:PORT",
        ),
        (
            "tcp",
            "'0.0.0.0:1'",
            "\"0.0.0.0:1\" is not on loopback, and what is not may be read on its way; write 127.0.0.1:PORT or [::1]:PORT",
        ),
        (
            "tcp",
            "'[::ffff:127.0.0.1]:1'",
            "\"[::ffff:127.0.0.1]:1\" is not on loopback, and what is not may be read on its way; write 127.0.0.1:PORT or [::1]:PORT",
        ),
        (
            "tcp",
            "'127.0.0.1:0'",
            "\"127.0.0.1:0\" has no port that a client could know; write 127.0.0.1:PORT or [::1]:PORT",
        ),
        (
            "tcp",
            "'127.0.0.1:1'",
            "needs a token (token_env, token_file, ...): who comes by TCP may be any user of this machine",
        ),
        ("control", "'/s'", "is the path of the socket; give the second one a path of its own"),
        ("access", "'root'", "\"root\" is not a table; write { control = [\"gid:ops\"] }"),
        ("token_env", "'A=B'", "\"A=B\" is not the name of a variable"),
        (
            "token_credential",
            "'a/b'",
            "\"a/b\" is not a name; give it as in LoadCredential=NAME:..., without a path",
        ),
        ("token_fd", "2", "2 is not a whole number from 3 to 1048576"),
        ("max_connections", "0", "0 is not a whole number from 1 to 1073741824"),
        ("flat_requests", "0", "0 is not a whole number from 1 to 1000000"),
        ("exit_when_parked", "'yes'", "\"yes\" is neither true nor false"),
        ("command", "'a  \"b\"'", r#"is one string, and no shell takes it apart; write ["a", "\"b\""]"#),
        ("command", "[]", "is an empty array; write [\"program\", \"argument\"]"),
        ("command", "7", "7 is not an array of strings"),
        ("cwd", "[]", "an array is not a string; write it in double quotes"),
        ("umask", "'888'", "\"888\" is not an octal number from 0 to 0777, such as \"0660\""),
        ("nice", "20", "20 is not a whole number from -20 to 19"),
        ("nice", "1.5", "1.5 is not a whole number from -20 to 19"),
        ("oom_score_adj", "-1001", "-1001 is not a whole number from -1000 to 1000"),
        ("env", "['A=b']", "an array is not a table of strings; write { NAME = \"value\" }"),
        ("limit_nofile", "0", "0 is not a whole number from 16 to 1073741824"),
        ("workers", "0", "0 is not a whole number from 1 to 1024"),
        ("workers", "1025", "1025 is not a whole number from 1 to 1024"),
        ("workers", "'2'", "\"2\" is not a whole number from 1 to 1024"),
        (
            "workers",
            "99999999999999999999",
            "a number of more than 64 bits is not a whole number from 1 to 1024",
        ),
        ("link", "0", "0 is neither true nor false"),
        ("stop_timeout", "'8'", "\"8\" is not a duration; write a number and ms, s, m or h, such as 8s"),
        ("stop_timeout", "8", "8 is not a duration; write a number and ms, s, m or h, such as 8s"),
        ("stop_timeout", "'0s'", "\"0s\" is no time at all; at least 1ms"),
        ("stop_timeout", "''", "\"\" is not a duration; write a number and ms, s, m or h, such as 8s"),
        ("max_lifetime", "'0h'", "\"0h\" is no time at all; at least 1ms"),
        ("queue", "-1", "-1 is not a whole number from 0 to 1000000"),
        ("prefetch", "65", "65 is not a whole number from 1 to 64"),
        (
            "memory_soft",
            "268435456",
            "268435456 is not a size; write a number and B, KB, MB, GB, KiB, MiB or GiB, such as 256MiB",
        ),
        ("jitter", "1.1", "1.1 is not a number from 0 to 1"),
        ("jitter", "nan", "NaN is not a number from 0 to 1"),
        ("hang_action", "'kill'", "\"kill\" is not one of \"report\", \"restart\""),
        ("start_limit", "0", "0 is not a whole number from 1 to 10000"),
        ("on_exit", "'a b'", r#"is one string, and no shell takes it apart; write ["a", "b"]"#),
        ("log", "''", "\"\" is neither \"forward\" nor a file's path"),
        ("log_prefix", "1979-05-27", "a date is not one of \"auto\", \"always\", \"never\""),
    ];
    for (key, value, what) in cases {
        let (path, line) = match TOP.iter().any(|top| top.name == key) {
            true => (key.to_owned(), if key == "socket" { 1 } else { 2 }),
            false => (format!("pool.p.{key}"), if key == "command" { 3 } else { 4 }),
        };
        let said = toml(&document(key, value)).unwrap_err();
        assert_eq!(said, [format!("f:{line}: {path}: {what}")], "{key} = {value}");
    }
}

#[test]
fn parts_of_a_value_have_their_own_lines() {
    let text = "socket = 's'\n[pool.p]\ncommand = [\n 'a',\n 7,\n 'b\\\\u0000'\n]\non_exit = ['']\n[pool.p.env]\nA = 'b'\nRUSTDAEMON_LINK = '0'\nC = 1\n";
    let said = toml(text).unwrap_err();
    let expected = [
        "f:5: pool.p.command[1]: 7 is not a string; write it in double quotes",
        "f:8: pool.p.on_exit[0]: is an empty string; the first one is the program",
        "f:11: pool.p.env.RUSTDAEMON_LINK: is set by rustdaemon itself",
        "f:12: pool.p.env.C: 1 is not a string; write it in double quotes",
    ];
    assert_eq!(said, expected);
}

#[test]
fn roles_have_their_own_table_and_each_name_its_own_line() {
    let file = |access: &str| format!("socket = 's'\n[access]\n{access}\n[pool.p]\ncommand = ['x']\n");
    let config = toml(&file("control = 'gid:ops'\nstatus = ['alice', '*']")).unwrap();
    let expected = [(Role::Control, "gid:ops"), (Role::Status, "alice"), (Role::Status, "*")];
    assert_eq!(config.access, expected.map(|(role, name)| (role, name.to_owned())));
    let said = toml(&file("root = ['a']\ncall = [\n'b',\n1000,\n'1000',\n'uid:'\n]\nadmin = 7")).unwrap_err();
    let nobody = "says nobody; write uid:1000, gid:ops, a user's name, or * for everybody";
    let expected = [
        "f:3: access.root: is not a role; there are: status, call, control, admin".to_owned(),
        "f:6: access.call[1]: 1000 is not a string; write it in double quotes".to_owned(),
        format!("f:7: access.call[2]: \"1000\" {nobody}"),
        format!("f:8: access.call[3]: \"uid:\" {nobody}"),
        "f:10: access.admin: 7 is neither a string nor an array of strings".to_owned(),
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_key_that_is_none_is_told_what_it_may_have_meant() {
    let cases = [
        (
            "workers = 2\nsocket = 's'\n[pool.p]\ncommand = ['x']",
            "f:1: workers: is a key of a pool; it belongs below a [pool.NAME]",
        ),
        (
            "socket = 's'\n[pool.p]\nsocket = 's'\ncommand = ['x']",
            "f:3: pool.p.socket: is no key of a pool; it belongs to the top of the file",
        ),
        (
            "socket = 's'\n[pool.p]\nmax_request = 5\ncommand = ['x']",
            "f:3: pool.p.max_request: is not a known key; did you mean \"max_requests\"?",
        ),
        (
            "socket = 's'\n[pool.p]\ncomand = ['x']\ncommand = ['x']",
            "f:3: pool.p.comand: is not a known key; did you mean \"command\"?",
        ),
        (
            "socket = 's'\n[pools.p]\n[pool.p]\ncommand = ['x']",
            "f:2: pools: is not a known key; did you mean \"pool\"?",
        ),
        (
            "socket = 's'\n[pool.p]\nquality = 'x'\ncommand = ['x']",
            "f:3: pool.p.quality: is not a known key; `rustdaemon run --defaults` prints all of them",
        ),
        (
            "socket = 's'\n[[pool]]\ncommand = ['x']",
            "f:2: pool: is not a table; write [pool.NAME] above each pool's keys",
        ),
        (
            "socket = 's'\n[pool]\ncommand = ['x']",
            "f:3: pool.command: is not a table; write [pool.NAME] above each pool's keys (a pool has a name)",
        ),
        ("socket = 's'\n[pool]", "f:1: pool: is missing; write at least one [pool.NAME] with its command"),
        (
            "socket = 's'\n\n[pool.p]",
            "f:3: pool.p.command: is missing; write an array, such as [\"php\", \"daemon.php\"]",
        ),
        ("\n[pool.p]\ncommand = ['x']", "f:1: socket: is missing; give a path, or --socket"),
    ];
    for (text, said) in cases {
        assert_eq!(toml(text), Err(vec![said.to_owned()]), "{text}");
    }
}

#[test]
fn errors_of_syntax_hide_as_little_as_they_can() {
    let text = "socket = /run/s\n[pool.p\nworkers = 0\n[pool.q]\nqueue = 1\nqueue = 2\nnice = 20\n[pool.q]\nnice = 99\n";
    let expected = [
        "f:1: string values must be quoted, expected literal string, near `/run/s`",
        "f:2: unclosed table, expected `]`",
        "f:6: duplicate key, near `queue`",
        "f:7: pool.q.nice: 20 is not a whole number from -20 to 19",
        "f:8: duplicate key, near `q`",
        "f:9: duplicate key, near `nice`",
    ];
    assert_eq!(toml(text).unwrap_err(), expected);
    let json = |text| from(Format::Json, text).unwrap_err();
    assert_eq!(json("{\n \"socket\": \"s\",\n \"pool\" {}\n}"), ["f:3: expected `:`"]);
    assert_eq!(json("{\n \"socket\":\n\"\\ud800\"}"), ["f:3: unexpected end of hex escape"]);
    let deep = format!("{{\"socket\":\n{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(
        json(&deep).contains(&"f:2: socket: an array is not a string; write it in double quotes".to_owned())
    );
    assert_eq!(json("[]"), ["f:1: invalid type: sequence, expected an object"]);
    assert_eq!(json(""), ["f:1: EOF while parsing a value"]);
}

#[test]
fn json_has_the_same_keys_and_lines() {
    let text = r#"{
        "socket": "s", "pool": {
            "b": { "command": ["x", "y"], "workers": 2, "jitter": 0.5,
                   "env": {"A": "\u00e9"}, "link": true, "nice": -3 },
            "a": { "command": ["x"] }
        }
    }"#;
    let config = from(Format::Json, text).unwrap();
    let toml = "socket = 's'\n[pool.b]\ncommand = ['x', 'y']\nworkers = 2\njitter = 0.5\nenv.A = '\u{e9}'\nlink = true\nnice = -3\n[pool.a]\ncommand = ['x']";
    assert_eq!(Ok(&config), self::toml(toml).as_ref());
    assert_eq!(
        config.pools.iter().map(|pool| pool.name.as_str()).collect::<Vec<_>>(),
        ["b", "a"],
        "in the file's order"
    );
    let text = "{\n\"socket\":\n 7,\n\"socket\": \"s\", \"pool\": { \"p\": {\n\"command\": [\"x\"],\n\"nice\": null},\n\"p\": {}}}";
    let expected = [
        "f:3: socket: 7 is not a string; write it in double quotes",
        "f:4: socket: is there twice",
        "f:6: pool.p.nice: null is not a whole number from -20 to 19",
        "f:7: pool.p: is there twice; each pool has a name of its own",
    ];
    assert_eq!(from(Format::Json, text).unwrap_err(), expected);
}

#[test]
fn the_file_of_defaults_says_the_defaults() {
    let config = toml(&defaults_as_toml()).unwrap();
    let pool = PoolConfig::new("main", vec!["php".into(), "daemon.php".into()]);
    assert_eq!(config, Config { socket: "/run/app/app.sock".into(), pools: vec![pool], ..Config::default() });
    let one_of_them = ["\n# token_file", "\n# token_credential", "\n# token_fd"];
    let one_source = one_of_them.iter().fold(defaults_as_toml(), |file, key| file.replace(key, "\n##"));
    let uncommented = one_source.replace("\n# ", "\n");
    assert!(toml(&uncommented).is_ok(), "the examples fit");
}

#[test]
fn the_readme_has_the_file_of_defaults() {
    assert!(include_str!("../../../README.md").contains(&defaults_as_toml()), "{}", defaults_as_toml());
}

#[test]
fn flags_are_the_same_keys() {
    let given = |flags: &[(&'static str, &[&str])]| {
        let values = |values: &&[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        let flags = flags.iter().map(|(key, given)| (*key, values(given))).collect();
        Draft::from_flags("p", vec!["x".into()], &flags, Path::new("/home/me")).finish()
    };
    let expected = with(|top, pool| {
        top.socket = "/home/me/s".into();
        pool.link = false;
        pool.overlap = true;
        pool.workers = 3;
        pool.jitter = 0.5;
        pool.birth.nice = Some(-5);
        pool.birth.env = vec![("A".into(), "b=c".into()), ("B".into(), "".into())];
        pool.birth.umask = Some(0o27);
        pool.stop_timeout = Duration::from_secs(1);
    });
    let flags: [(&'static str, &[&str]); 9] = [
        ("socket", &["s"]),
        ("link", &[]),
        ("overlap", &[]),
        ("workers", &["3"]),
        ("jitter", &[".5"]),
        ("nice", &["-5"]),
        ("env", &["A=b=c", "B="]),
        ("umask", &["027"]),
        ("stop_timeout", &["1s"]),
    ];
    assert_eq!(given(&flags), Ok(expected));
    let flags: [(&'static str, &[&str]); 6] = [
        ("socket", &["s"]),
        ("workers", &["many"]),
        ("env", &["RUSTDAEMON_RUN=1"]),
        ("stop_timeout", &["8"]),
        ("link", &[]),
        ("max_requests", &["5"]),
    ];
    let said = [
        "--workers: \"many\" is not a whole number from 1 to 1024",
        "--env: RUSTDAEMON_RUN is set by rustdaemon itself",
        "--stop-timeout: \"8\" is not a duration; write a number and ms, s, m or h, such as 8s",
        "--max-requests: counts requests, and with link = false there are none; use max_lifetime",
    ];
    assert_eq!(given(&flags), Err(said.map(str::to_owned).to_vec()));
}

#[test]
fn flags_of_the_top_win_over_the_file() {
    let flags = vec![("socket", vec!["s".to_owned()]), ("socket_mode", vec!["9".to_owned()])];
    let draft = |text| {
        let document = Document { file: "f", format: Format::Toml, text, base: Path::new("/etc") };
        Draft::from_document(document, &flags, Path::new("/home/me"))
    };
    let draft = draft("[pool.p]\ncommand = ['x']");
    assert_eq!(draft.config().socket, Path::new("/home/me/s"));
    assert_eq!(
        draft.finish().unwrap_err(),
        ["--socket-mode: \"9\" is not an octal number from 0 to 0777, such as \"0660\""]
    );
}
