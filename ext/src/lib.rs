//! rustdaemon.so: the PHP extension.
//!
//! Floors (a module uses only lower ones; `cargo xtask lint` reads this table):
//!
//! F5 `lib`          module registration, MINIT and RINIT chain and its reverse, phpinfo, ini, nothing else
//! F4 `worker`       `RustDaemon\Worker`: the class and its loop
//! F3 `gate`         `install()`: which rung, the gate, the self-start
//! F3 `request`      one request, from its frame to its reply
//! F2 `supervision`  the one state of the process: link, stop signals, methods
//! F2 `codec`        PHP values from and to JSON, arguments to parameters
//! F2 `error`        the exception tree
//! F1 `engine`       the Zend engine, as far as ext-php-rs does not wrap it
//!
//! # Correct order
//! MINIT: refuse `dl()`, ini, exceptions, classes, and under php-cli how the process was started. RSHUTDOWN: signals,
//! link and handlers are given back. MSHUTDOWN: ini. Nothing happens in RINIT, and nothing at all in another SAPI.

#![allow(missing_docs, reason = "what #[php_module] generates has none, and a cdylib has no Rust API")]

mod codec;
mod engine;
mod error;
mod gate;
mod request;
mod supervision;
mod worker;

use ext_php_rs::flags::IniEntryPermission;
use ext_php_rs::prelude::*;
use ext_php_rs::zend::{IniEntryDef, IniEntryDefs, ModuleEntry};
use rustdaemon_core::link;

static INI: IniEntryDefs<2> = IniEntryDefs::new([
    IniEntryDef::new(gate::SIDECAR_INI, c"", IniEntryPermission::System),
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
        error::register().and_then(|()| worker::register())
    });
    if !matches!(started, Ok(Ok(()))) {
        engine::warn(c"rustdaemon could not register its classes");
        return FAILURE;
    }
    if engine::sapi_name() == "cli" {
        supervision::capture_origin();
    }
    SUCCESS
}

extern "C" fn shutdown(_kind: i32, module_number: i32) -> i32 {
    engine::unregister_ini(module_number);
    SUCCESS
}

extern "C" fn request_shutdown(_kind: i32, _module_number: i32) -> i32 {
    if supervision::origin().is_some() && std::panic::catch_unwind(supervision::end).is_err() {
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
        .request_shutdown_function(request_shutdown)
        .info_function(info)
}
