//! Reads the configuration and the token, and checks what the machine must have for them: users, directories, files,
//! programs.
//!
//! # What may be lost
//! What is there at the check may be gone at a start: starting checks again, by doing it.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{Gid, Uid, getegid, geteuid, getgroups};
use rustdaemon_core::settings::MAX_TOKEN_BYTES;

use crate::access::{Access, Token, Who};
use crate::config::{Config, Document, Draft, Flags, Format, LogTarget, PoolConfig};
use crate::identity::{Identity, find_group, find_user};
use crate::{env_file, process};

/// The draft of one pool that the command line describes, checked.
///
/// # Errors
/// One sentence.
pub fn from_flags(name: &str, command: Vec<OsString>, flags: &Flags) -> Result<Draft, String> {
    Ok(checked(Draft::from_flags(name, command, flags, &working_directory()?)))
}

/// The draft that a file describes, checked. Its relative paths are relative to its directory; flags of keys above
/// all pools win over it.
///
/// # Errors
/// One sentence: it cannot be read.
pub fn from_file(file: &Path, flags: &Flags) -> Result<Draft, String> {
    let shown = file.display();
    let format = match file.extension().and_then(OsStr::to_str) {
        Some("toml") => Format::Toml,
        Some("json") => Format::Json,
        _ => return Err(format!("--config: {shown} ends neither with .toml nor with .json")),
    };
    let text = std::fs::read(file).map_err(|failed| format!("--config: {shown}: {failed}"))?;
    let text = String::from_utf8(text).map_err(|error| {
        let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        format!("{shown}:{line}: is not UTF-8")
    })?;
    let here = working_directory()?;
    let base = here.join(file.parent().unwrap_or(Path::new(""))).components().collect::<PathBuf>();
    let document = Document { file: &shown.to_string(), format, text: &text, base: &base };
    Ok(checked(Draft::from_document(document, flags, &here)))
}

fn checked(mut draft: Draft) -> Draft {
    let config = draft.config().clone();
    if let Some(group) = &config.socket_group
        && let Err(what) = find_group(group).and_then(may_give_to)
    {
        draft.refuse(None, "socket_group", &what);
    }
    if let Some(group) = &config.control_group
        && let Err(what) = find_group(group).and_then(may_give_to)
    {
        draft.refuse(None, "control_group", &what);
    }
    let owner = config.directory_owner.as_deref().map(find_user).transpose().unwrap_or_else(|what| {
        draft.refuse(None, "directory_owner", &without_key(what));
        None
    });
    for (key, socket) in [("socket", Some(&config.socket)), ("control", config.control.as_ref())] {
        let is_trusted = |socket: &PathBuf| is_trusted(socket, owner.as_ref().map(|(uid, _)| *uid));
        if let Some(Err(what)) = socket.map(is_trusted) {
            draft.refuse(None, key, &what);
        }
    }
    // A descriptor can be read once.
    let readable = Config { token_fd: None, ..config.clone() };
    if let Err((key, what)) = access(&readable) {
        draft.refuse(None, key, &what);
    }
    for pool in &config.pools {
        for (key, what) in problems(pool) {
            draft.refuse(Some(&pool.name), key, &what);
        }
    }
    draft
}

/// Who may do what.
///
/// # Errors
/// The key, and one sentence without a byte of a token.
pub fn access(config: &Config) -> Result<Access, (&'static str, String)> {
    let roles = config.access.iter().map(|(role, name)| Ok((*role, who(name)?))).collect::<Result<_, _>>();
    Ok(Access {
        token: token(config)?,
        own_uid: geteuid().as_raw(),
        roles: roles.map_err(|what| ("access", what))?,
        has_control: config.control.is_some(),
    })
}

fn who(name: &str) -> Result<Who, String> {
    if name == "*" {
        return Ok(Who::Everybody);
    }
    if let Some(group) = name.strip_prefix("gid:") {
        return find_group(group).map(|gid| Who::Group(gid.as_raw()));
    }
    let user = find_user(name.strip_prefix("uid:").unwrap_or(name));
    user.map(|(uid, _)| Who::User(uid.as_raw())).map_err(|what| match find_group(name) {
        Ok(_) => format!("{}; write gid:{name} for the group", without_key(what)),
        Err(_) => without_key(what),
    })
}

/// Whoever owns a socket's directory, or may write to it, can put another socket there and be told every token.
fn is_trusted(socket: &Path, owner: Option<Uid>) -> Result<(), String> {
    let directory = socket.parent().unwrap_or(Path::new("/"));
    let Ok(stat) = std::fs::metadata(directory) else { return Ok(()) }; // the bind says what is wrong
    let (shown, own, uid, mode) = (directory.display(), geteuid(), stat.uid(), stat.mode());
    if uid != 0 && uid != own.as_raw() && owner.is_none_or(|owner| owner.as_raw() != uid) {
        return Err(format!(
            "the directory {shown} belongs to uid {uid}, who could put another socket there; chown it to root or to \
             uid {own}, or trust that user (--directory-owner {uid})"
        ));
    }
    // In /tmp and its like, with the sticky bit, nobody else can touch ours.
    if mode & 0o1002 == 0o002 {
        return Err(format!(
            "the directory {shown} has mode {:04o}: anybody could put another socket there; chmod o-w it, or put \
             the socket elsewhere",
            mode & 0o7777
        ));
    }
    Ok(())
}

/// The token that clients must show, if there is one.
///
/// # Errors
/// The key that says where it is, and one sentence without a byte of it.
fn token(config: &Config) -> Result<Option<Token>, (&'static str, String)> {
    let Some(key) = config.token_sources().next() else { return Ok(None) };
    let read = match (&config.token_env, &config.token_file, &config.token_credential) {
        (Some(name), ..) => token_of_variable(name),
        (_, Some(file), _) => token_of_file(file),
        (.., Some(name)) => token_of_credential(name),
        _ => token_of_descriptor(config.token_fd.unwrap_or(-1)),
    };
    read.map(Some).map_err(|what| (key, what))
}

fn token_of_variable(name: &str) -> Result<Token, String> {
    let value = std::env::var_os(name).ok_or_else(|| format!("there is no {name} in the environment"))?;
    Token::new(value.as_encoded_bytes()).map_err(|what| format!("the token in {name} {what}"))
}

fn token_of_credential(name: &str) -> Result<Token, String> {
    match std::env::var_os("CREDENTIALS_DIRECTORY") {
        Some(directory) => token_of_file(&Path::new(&directory).join(name)),
        None => Err(format!(
            "there is no CREDENTIALS_DIRECTORY in the environment: systemd sets it for a unit with \
             LoadCredential={name}:/path/of/the/token"
        )),
    }
}

/// White space around it is an editor's.
fn token_of_file(file: &Path) -> Result<Token, String> {
    let shown = file.display();
    let bytes = read_secret(file).map_err(|what| format!("{shown} {what}"))?;
    Token::new(bytes.trim_ascii()).map_err(|what| format!("the token in {shown} {what}"))
}

fn read_secret(file: &Path) -> Result<Vec<u8>, String> {
    let cannot = |failed: io::Error| format!("cannot be read: {failed}");
    // A pipe or a terminal would keep us waiting for somebody who opens it.
    let options = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).clone();
    let opened = options.open(file).map_err(cannot)?;
    let stat = opened.metadata().map_err(cannot)?;
    if !stat.is_file() {
        return Err("is not a plain file".into());
    }
    let (owner, own, mode) = (stat.uid(), geteuid(), stat.mode() & 0o777);
    if owner != 0 && owner != own.as_raw() {
        return Err(format!(
            "belongs to uid {owner}; a token's file belongs to root or to uid {own}: chown it"
        ));
    }
    if mode & 0o027 != 0 {
        return Err(format!(
            "has mode {mode:04o}: others may read or change it; a token's file has at most 0640: chmod it"
        ));
    }
    bounded(opened).map_err(cannot)
}

fn token_of_descriptor(number: i32) -> Result<Token, String> {
    // A memfd is opened anew, and so read from its beginning, wherever somebody else has read to.
    let opened = File::open(format!("/proc/self/fd/{number}"));
    let opened = opened.map_err(|failed| format!("descriptor {number} cannot be read: {failed}"))?;
    let read = bounded(opened).map_err(|failed| format!("descriptor {number} cannot be read: {failed}"));
    let _ = nix::unistd::close(number); // nobody else has use for it
    Token::new(read?.trim_ascii()).map_err(|what| format!("the token in descriptor {number} {what}"))
}

/// A little more than a token may have: what is longer is too long.
fn bounded(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(2 * MAX_TOKEN_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What the machine does not have for a pool: the key and a sentence.
fn problems(pool: &PoolConfig) -> Vec<(&'static str, String)> {
    let birth = &pool.birth;
    let mut found = Vec::new();
    let mut note = |key: &'static str, result: Result<(), String>| {
        found.extend(result.err().map(|what| (key, what)));
    };
    if let Some(name) = &birth.user {
        note("user", may_become(name, birth.group.is_some()));
    }
    if let Some(name) = &birth.group {
        note("group", may_have_group(name));
    }
    if let Some(limit) = birth.limit_nofile {
        note("limit_nofile", may_raise(limit));
    }
    if let Some(cwd) = &birth.cwd {
        note("cwd", is_directory(cwd));
    }
    if let LogTarget::File(file) = &pool.log {
        note("log", is_directory(file.parent().unwrap_or(Path::new("/"))));
    }
    let mut variables = Vec::new();
    if let Some(file) = &birth.env_file {
        note("env_file", env_file::read(file).map(|read| variables = read));
    }
    variables.extend(birth.env.iter().cloned());
    let own = std::env::var_os("PATH");
    let path = variables.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value);
    for (key, command) in hooks_and_command(pool) {
        note(key, find_program(command, birth.cwd.as_deref(), path.or(own.as_ref())));
    }
    found
}

fn hooks_and_command(pool: &PoolConfig) -> impl Iterator<Item = (&'static str, &OsString)> {
    let all = [
        ("command", &pool.command),
        ("on_ready", &pool.on_ready),
        ("on_exit", &pool.on_exit),
        ("on_parked", &pool.on_parked),
    ];
    all.into_iter().filter_map(|(key, argv)| argv.first().map(|program| (key, program)))
}

fn find_program(program: &OsString, cwd: Option<&Path>, path: Option<&OsString>) -> Result<(), String> {
    // A program named with a slash is looked for from the worker's own directory.
    let has_slash = program.as_encoded_bytes().contains(&b'/');
    let program = match cwd {
        Some(cwd) if has_slash => cwd.join(program).into_os_string(),
        _ => program.clone(),
    };
    process::find_program(&program, path.map(OsString::as_os_str)).map(drop)
}

fn is_directory(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(format!("{} is not a directory", path.display())),
        Err(failed) if failed.kind() == io::ErrorKind::NotFound => {
            Err(format!("the directory {} does not exist", path.display()))
        }
        Err(failed) => Err(format!("{}: {failed}", path.display())),
    }
}

fn may_become(user: &str, has_group: bool) -> Result<(), String> {
    // Which group it is, is the group's own affair.
    let identity = Identity::of(Some(user), has_group.then_some("0")).map_err(without_key)?;
    let own = geteuid();
    if own.is_root() || identity.uid.is_none_or(|uid| uid == own) {
        return Ok(());
    }
    Err(format!("to become \"{user}\" needs root, and the sidecar runs as uid {own}"))
}

/// setresgid(2) without privileges knows the own group only.
fn may_have_group(group: &str) -> Result<(), String> {
    match Identity::of(None, Some(group)).map_err(without_key)?.gid {
        Some(gid) if !geteuid().is_root() => {
            Err(format!("to change to gid {gid} needs root, and the sidecar runs as uid {}", geteuid()))
        }
        _ => Ok(()),
    }
}

/// `user: there is no ...`: the place has the key already.
fn without_key(what: String) -> String {
    what.split_once(": ").map_or(what.clone(), |(_, what)| what.to_owned())
}

/// chown(2) without privileges knows the groups that one is in.
fn may_give_to(group: Gid) -> Result<(), String> {
    if geteuid().is_root() || getegid() == group || getgroups().is_ok_and(|own| own.contains(&group)) {
        return Ok(());
    }
    Err(format!("to give it to gid {group} needs root, and the sidecar runs as uid {}", geteuid()))
}

fn may_raise(limit: u64) -> Result<(), String> {
    let hard = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(_, hard)| hard);
    if limit > hard && !geteuid().is_root() {
        return Err(format!("is {limit}, and more than the sidecar's own hard limit of {hard} needs root"));
    }
    let most = std::fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse().ok());
    match most {
        Some(most) if limit > most => {
            Err(format!("is {limit}, and the kernel allows {most} (/proc/sys/fs/nr_open)"))
        }
        _ => Ok(()),
    }
}

/// Where we are, as the shell has named it: a symlink on the way, such as `current`, stays one.
fn working_directory() -> Result<PathBuf, String> {
    let here = std::env::current_dir();
    let same = |named: &PathBuf| -> io::Result<bool> {
        let (named, here) = (std::fs::metadata(named)?, std::fs::metadata(".")?);
        Ok((named.dev(), named.ino()) == (here.dev(), here.ino()))
    };
    let named = std::env::var_os("PWD").map(PathBuf::from);
    let named = named.filter(|named| named.is_absolute() && same(named).is_ok_and(|same| same));
    named.map_or(here, Ok).map_err(|failed| format!("the working directory is gone ({failed})"))
}
