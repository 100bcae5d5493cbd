//! rustdaemon.so: the PHP extension.
//!
//! Floors (a module uses only lower ones; `cargo xtask lint` reads this table):
//!
//! F9 `lib`            module registration, MINIT and RINIT chain and its reverse, phpinfo, ini, nothing else
//! F8 `worker`         `RustDaemon\Worker`: the class
//! F8 `request_object` `RustDaemon\Request`: the request in hand, for its handler
//! F7 `turn`           the turns of a worker's loop
//! F7 `deferred`       requests that are answered later
//! F6 `gate`           `install()`: which rung, the gate, the self-start
//! F6 `request`        one request, from its frame to its reply
//! F6 `task`           tasks of `every()` and `after()`, between two requests
//! F6 `callback`       callbacks of `onStart()` and its like, between two requests
//! F6 `process`        `RustDaemon\Process`: children that run one callable
//! F6 `channel`        `RustDaemon\Channel`
//! F6 `lock`           `RustDaemon\Lock`
//! F6 `signal`         `RustDaemon\Signal`: the class and the hook of the virtual machine
//! F5 `pause`          one sleep on shared memory
//! F4 `supervision`    the one state of the process: link, methods, waiting
//! F3 `counter`        `RustDaemon\Counter`
//! F3 `dispatch`       from records of signals to handlers
//! F3 `message`        PHP values to and from messages in shared memory
//! F2 `signal_info`    `RustDaemon\SignalInfo`
//! F2 `exit_status`    `RustDaemon\ExitStatus`
//! F2 `exit_reason`    `RustDaemon\ExitReason`
//! F2 `codec`          PHP values from and to JSON, arguments to parameters
//! F2 `error`          the exception tree
//! F1 `engine`         the Zend engine, as far as ext-php-rs does not wrap it
//!
//! # Correct order
//! MINIT: refuse `dl()`, ini, exceptions, classes, and under php-cli how the process was started and the hooks of the
//! virtual machine. RINIT: global constants where ext-pcntl is absent. RSHUTDOWN: link, methods, signals and their
//! handlers are given back. MSHUTDOWN: hooks, ini. In another SAPI nothing but the classes is there.

#![allow(missing_docs, reason = "what #[php_module] generates has none, and a cdylib has no Rust API")]

mod callback;
mod channel;
mod codec;
mod counter;
mod deferred;
mod dispatch;
mod engine;
mod error;
mod exit_reason;
mod exit_status;
mod gate;
mod lock;
mod message;
mod pause;
mod process;
mod request;
mod request_object;
mod signal;
mod signal_info;
mod supervision;
mod task;
mod turn;
mod worker;

use ext_php_rs::flags::IniEntryPermission;
use ext_php_rs::prelude::*;
use ext_php_rs::zend::{IniEntryDef, IniEntryDefs, ModuleEntry};
use rustdaemon_core::{link, stdin};

static INI: IniEntryDefs<3> = IniEntryDefs::new([
    IniEntryDef::new(gate::SIDECAR_INI, c"", IniEntryPermission::System),
    IniEntryDef::new(supervision::FORCE_STOP_INI, c"3", IniEntryPermission::All),
    IniEntryDef::end(),
]);

const SUCCESS: i32 = 0;
const FAILURE: i32 = -1;

extern "C" fn startup(kind: i32, module_number: i32) -> i32 {
    if engine::is_loaded_by_dl(kind) {
        engine::warn(c"rustdaemon cannot be loaded with dl(): write extension=rustdaemon into php.ini");
        return FAILURE;
    }
    let started = std::panic::catch_unwind(|| {
        IniEntryDef::register(INI.as_slice(), module_number);
        error::register()
            .and_then(|()| signal_info::register())
            .and_then(|()| exit_reason::register())
            .and_then(|()| request_object::register())
            .and_then(|()| signal::register())
            .and_then(|()| exit_status::register())
            .and_then(|()| process::register())
            .and_then(|()| worker::register())
            .and_then(|()| channel::register())
            .and_then(|()| lock::register())
            .and_then(|()| counter::register())
    });
    if !matches!(started, Ok(Ok(()))) {
        engine::warn(c"rustdaemon could not register its classes");
        return FAILURE;
    }
    if engine::sapi_name() == "cli" {
        supervision::capture_origin();
        stdin::remember();
        engine::interrupt::hook(signal::on_interrupt);
        engine::failure::hook();
    }
    SUCCESS
}

extern "C" fn shutdown(_kind: i32, module_number: i32) -> i32 {
    engine::failure::unhook();
    engine::interrupt::unhook(signal::on_interrupt);
    engine::unregister_ini(module_number);
    SUCCESS
}

extern "C" fn request_startup(_kind: i32, module_number: i32) -> i32 {
    if supervision::origin().is_some() {
        signal::register_constants(module_number);
    }
    SUCCESS
}

extern "C" fn request_shutdown(_kind: i32, _module_number: i32) -> i32 {
    let end = || {
        supervision::end();
        task::end();
        process::end();
        dispatch::end();
    };
    if supervision::origin().is_some() && std::panic::catch_unwind(end).is_err() {
        return FAILURE;
    }
    SUCCESS
}

extern "C" fn info(module: *mut ModuleEntry) {
    let rung = match supervision::origin() {
        None => format!("none: inert in the SAPI {}", engine::sapi_name()),
        Some(_) => {
            let title = supervision::with(|state| state.title.clone());
            title.unwrap_or_else(|| "none: Worker::install() has not been called".into())
        }
    };
    let versions = format!("{} to {}", link::LOWEST_VERSION, link::HIGHEST_VERSION);
    let rows =
        [("Version", env!("CARGO_PKG_VERSION")), ("Link versions", versions.as_str()), ("Worker", &rung)];
    engine::info_table(module, &rows);
}

/// The module as PHP sees it.
#[php_module]
pub fn module(module: ModuleBuilder) -> ModuleBuilder {
    module
        .startup_function(startup)
        .shutdown_function(shutdown)
        .request_startup_function(request_startup)
        .request_shutdown_function(request_shutdown)
        .info_function(info)
}
