//! `install()`: which rung this script stands on, and the gate of a supervised one.
//!
//! # Correct order
//! Arguments; place of the call; rung. Supervised: the link's descriptors, the death that comes with the parent's,
//! hello, a look at the interrupt hook, the sidecar's answer, then the stop signals (a TERM at the gate still ends the
//! process as it did before). Self-start: the script's own output is
//! flushed, then execve.
//!
//! # What may be refused
//! Each case is one [`Refusal`]; see [`Cause`]. After a refusal by the sidecar the link is used up: the process can
//! only end. A link that is named but cannot be used never leads to a self-start, which would bind a second socket.
//!
//! # Rules
//! Phases that call PHP ([`interrupt::run`], [`engine::flush_output`]) own nothing that needs dropping.
//! Sources: DESIGN 1 (rungs), 2 (gate).

use std::ffi::{CStr, OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustdaemon_core::link::{self, Ends, ExitReason, Frame, Go, Hello, Kind};
use rustdaemon_core::rung::{self, Arguments, Mode, Rung};
use rustdaemon_core::settings::{DEFAULT_MODE, DEFAULT_NAME};
use rustdaemon_core::slot::Call;
use rustdaemon_core::{pulse, self_start, sys};

use crate::engine::{self, InstallCall, IntOrString, Pending, interrupt};
use crate::error::{Cause, Refusal};
use crate::supervision::{self, Woken};

/// The ini entry with the path of the sidecar's binary.
pub const SIDECAR_INI: &CStr = c"rustdaemon.sidecar";

/// What a worker is called, once it is in.
pub struct Place {
    /// The pool's name.
    pub name: String,
    /// Its number in the pool.
    pub slot: u32,
    /// The generation.
    pub generation: u32,
    /// How the one before ended.
    pub predecessor: Option<Box<ExitReason>>,
}

/// What is to be done next; plain data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    WaitForGo,
    SelfStart,
    Alone,
}

/// Calls PHP. Brings this process to its place; `None`: an exception of PHP's own is pending.
pub fn enter(call: &InstallCall<'_>) -> Option<Result<Place, Refusal>> {
    let step = match prepare(call) {
        Ok(step) => step,
        Err(refusal) => return Some(Err(refusal)),
    };
    match step {
        Step::Alone => {}
        Step::WaitForGo => {
            while supervision::with(|state| state.at_the_gate()) {
                if supervision::with(|state| state.wait(None, Call::Loop)) == Woken::Interrupted {
                    interrupt::run();
                    if engine::pending() != Pending::Nothing {
                        return None;
                    }
                }
            }
            if !check_hook() {
                return None;
            }
            return Some(admission().and_then(take_place));
        }
        Step::SelfStart => {
            engine::flush_output();
            if engine::pending() != Pending::Nothing {
                return None;
            }
            return Some(Err(self_start()));
        }
    }
    let name = supervision::with(|state| state.arguments.as_ref().and_then(|given| given.name.clone()));
    let name = name.unwrap_or_else(|| DEFAULT_NAME.into());
    Some(take_place(Place { name, slot: 0, generation: 1, predecessor: None }))
}

/// Calls PHP. Looks once whether our interrupt hook runs when there is an interrupt: without it nobody can tell whether
/// PHP does. False: something is pending.
fn check_hook() -> bool {
    pulse::ask();
    interrupt::call_hooks();
    let blind = pulse::asked();
    pulse::set_blind(blind);
    if blind {
        let owner = interrupt::hook_owner().unwrap_or_else(|| "another extension".into());
        let sentence = format!(
            "hang detection is off: {owner} has replaced PHP's interrupt hook and does not call the one before it"
        );
        supervision::with(|state| state.blind = Some(sentence));
    }
    engine::pending() == Pending::Nothing
}

/// Whether `install()` may be called from here.
///
/// # Errors
/// Which place it is called from.
pub fn check_place() -> Result<(), Refusal> {
    let place = if engine::in_fiber() {
        "inside a fiber"
    } else if engine::in_output_callback() {
        "in an output callback"
    } else if engine::in_shutdown() {
        "in a shutdown function"
    } else if engine::destructed_class().is_some() {
        "in a destructor"
    } else {
        return Ok(());
    };
    Err(Cause::NotAllowedHere.because(format!(
        "RustDaemon\\Worker::install() cannot be called {place}: it waits at the gate, or starts the script again"
    )))
}

/// Checks what `install()` was given.
///
/// # Errors
/// The first argument that is not possible.
pub fn check_arguments(call: &InstallCall<'_>) -> Result<Arguments, Refusal> {
    let mode = match call.mode {
        IntOrString::Int(number) => Mode::Number(number),
        IntOrString::String(text) => Mode::Text(text),
    };
    Arguments::check(call.name, call.socket, mode, call.token, call.workers, std::env::current_dir)
        .map_err(|sentence| Cause::InvalidArgument.because(sentence))
}

fn prepare(call: &InstallCall<'_>) -> Result<Step, Refusal> {
    let arguments = check_arguments(call)?;
    check_place()?;
    let Some(origin) = supervision::origin() else {
        return Err(Cause::UnsupportedSapi.because("the extension was not started under php-cli"));
    };
    let rung = rung::decide(|name| origin.variable(name), arguments.socket.is_some())
        .map_err(|sentence| Cause::InvalidArgument.because(sentence))?;
    let step = match rung {
        Rung::Supervised(link) => {
            say_hello(&link, &arguments)?;
            Step::WaitForGo
        }
        Rung::StartedByWorker => {
            supervision::log(
                "this script was started by a worker (RUSTDAEMON_RUN is set): it runs unsupervised, without a \
                 socket of its own",
            );
            Step::Alone
        }
        Rung::SelfStart => Step::SelfStart,
        Rung::Alone => Step::Alone,
    };
    supervision::with(|state| state.arguments = Some(arguments));
    Ok(step)
}

fn say_hello(value: &OsStr, given: &Arguments) -> Result<(), Refusal> {
    if supervision::with(|state| state.link_taken) {
        return Err(Cause::LinkBroken.because(
            "the link to the sidecar was used up by an earlier install() that failed: this process can only end",
        ));
    }
    // SAFETY: once per process, as `link_taken` sees to.
    let ends = unsafe { Ends::from_variable(&value.to_string_lossy()) }.map_err(|why| {
        Cause::LinkBroken.because(format!(
            "{} is set, but {why}: something between the sidecar and PHP (a wrapper, sudo, a script) has closed \
             or changed the descriptors that the sidecar handed on; run PHP without it, or with --no-link",
            link::LINK_VARIABLE
        ))
    })?;
    engine::forget_variable(link::LINK_VARIABLE);
    // The sidecar asked for it before the execve; a wrapper (`sh -c`) took that with it. Now the wrapper dies with the
    // sidecar, and this process with the wrapper.
    sys::die_with_parent()
        .map_err(|error| Cause::SystemCallFailed.with_errno(format!("prctl: {error}"), &error))?;
    let hello = Hello {
        lowest: link::LOWEST_VERSION,
        highest: link::HIGHEST_VERSION,
        pid: i32::try_from(std::process::id()).unwrap_or_default(),
        extension: env!("CARGO_PKG_VERSION").into(),
        php: engine::php_version(),
        name: given.name.clone(),
        socket: given.socket.as_ref().map(|path| path.to_string_lossy().into_owned()),
        mode: given.given_mode(),
        workers: given.given_workers(),
        token: given.token.is_some(),
    };
    supervision::with(|state| {
        state.link_taken = true;
        state.connect(ends, &hello)
    })
    .map_err(|error| {
        let variable = link::LINK_VARIABLE;
        Cause::LinkBroken.because(format!("{variable} is set, but its slot page cannot be used: {error}"))
    })
}

fn admission() -> Result<Place, Refusal> {
    let answer = match supervision::with(|state| (state.next_frame(), state.supervised())) {
        (Some(frame), _) => read_answer(&frame),
        (None, true) => Err(Cause::LinkRefused.because("the sidecar is stopping and lets no worker in")),
        (None, false) => {
            let why = supervision::with(|state| state.lost.take()).unwrap_or_default();
            Err(Cause::LinkBroken.because(format!("{why} while this worker was at the gate")))
        }
    };
    if answer.is_err() {
        supervision::with(|state| state.link = None);
    }
    answer
}

fn read_answer(frame: &Frame) -> Result<Place, Refusal> {
    match frame.kind {
        Kind::Go => {
            let go: Go = link::from_json(&frame.payload)
                .map_err(|error| Cause::LinkBroken.because(format!("the sidecar's answer is {error}")))?;
            if (link::LOWEST_VERSION..=link::HIGHEST_VERSION).contains(&go.version) {
                supervision::with(|state| {
                    if let Some(link) = &mut state.link {
                        link.version = go.version;
                    }
                });
                let Go { name, slot, generation, predecessor, .. } = go;
                return Ok(Place { name, slot, generation, predecessor });
            }
            Err(Cause::LinkRefused.because(format!(
                "the sidecar speaks version {} of the link, and this rustdaemon.so ({}) speaks {} to {}: install \
                 the same release of both",
                go.version,
                env!("CARGO_PKG_VERSION"),
                link::LOWEST_VERSION,
                link::HIGHEST_VERSION
            )))
        }
        Kind::Refused => {
            let sentence = String::from_utf8_lossy(&frame.payload).into_owned();
            Err(Cause::LinkRefused.because(sentence))
        }
        other => Err(Cause::LinkBroken.because(format!("the sidecar answered {other:?} at the gate"))),
    }
}

fn take_place(place: Place) -> Result<Place, Refusal> {
    supervision::with(|state| {
        state.take_stop_signals().map_err(|error| {
            Cause::SystemCallFailed.with_errno(format!("the stop signals cannot be taken: {error}"), &error)
        })?;
        let way = if state.supervised() { "supervised" } else { "unsupervised" };
        let Place { name, slot, generation, .. } = &place;
        state.title = Some(format!("{way} as {name}#{slot}, generation {generation}"));
        Ok(place)
    })
}

/// Becomes the sidecar. Returns why that failed.
fn self_start() -> Refusal {
    match try_self_start() {
        Ok(never) => match never {},
        Err(refusal) => refusal,
    }
}

fn try_self_start() -> Result<std::convert::Infallible, Refusal> {
    let failed = |sentence: String| Cause::SelfStartFailed.because(sentence);
    check_script(&engine::main_script())?;
    let given = supervision::with(|state| state.arguments.clone());
    let Some((origin, given)) = supervision::origin().zip(given) else {
        return Err(failed("nothing is known of how this script was started".into()));
    };
    let command = origin.command(Path::new("/proc/self/exe")).map_err(failed)?;
    let configured = OsString::from_vec(engine::ini(SIDECAR_INI));
    let program = origin
        .find_sidecar(&configured, own_path().as_deref())
        .map_err(|sentence| Cause::SidecarNotFound.because(sentence))?;
    let socket = given.socket.clone().unwrap_or_default();
    let token = given.token.as_ref().map(self_start::token_memory).transpose();
    let token = token.map_err(|error| failed(format!("the token cannot be handed on: {error}")))?;
    let token = token.as_ref().map(OwnedFd::as_fd);
    let [script, _] = engine::main_script();
    let owner = self_start::script_owner(Path::new(OsStr::from_bytes(&script)));
    let line = self_start::sidecar_command(&program, &given, &socket, token, owner, command);
    let error = origin.execute(&program, &line, token);
    let program = program.display();
    Err(failed(format!("the sidecar {program} could not be started: {error}; nothing has changed")))
}

/// A script that was read from a pipe or a terminal cannot be read again.
fn check_script([called, typed]: &[Vec<u8>; 2]) -> Result<(), Refusal> {
    let consumed: [&[u8]; 2] = [b"Standard input code", b"php shell code"];
    let descriptors: [&[u8]; 3] = [b"/dev/fd/", b"/proc/self/fd/", b"/dev/stdin"];
    let per_line = called.starts_with(b"Command line ") && called != b"Command line code";
    let descriptor = descriptors.iter().any(|prefix| typed.starts_with(prefix));
    if per_line || descriptor || consumed.contains(&called.as_slice()) {
        return Err(Cause::SelfStartFailed.because(
            "this script was read from the standard input and cannot be started again under the sidecar: put it \
             into a file, or set RUSTDAEMON=off in the environment to run without a sidecar",
        ));
    }
    Ok(())
}

/// Where this extension was loaded from.
fn own_path() -> Option<PathBuf> {
    static HERE: u8 = 0;
    // SAFETY: dladdr fills the struct and returns non-zero when the address belongs to a loaded object; its name is
    // a C string that lives as long as the object, which is us.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        let found = libc::dladdr((&raw const HERE).cast(), &raw mut info);
        let name = (found != 0 && !info.dli_fname.is_null()).then(|| CStr::from_ptr(info.dli_fname))?;
        let path = Path::new(OsStr::from_bytes(name.to_bytes()));
        Some(std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()))
    }
}

const _: () = assert!(DEFAULT_MODE == 0o600, "the default in worker.rs is written 0600");
