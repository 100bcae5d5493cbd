//! Compiles the extension for the PHP that is found: `cfg(php82)` and its like, `cfg(php_zts)`, and
//! `cfg(delayed_oom)` where PHP's headers have `EG(delayed_oom)` (8.2.35 and later). And the one function in C, against the
//! headers of that PHP: `src/engine/serial.c` says why.
//!
//! Reads what `php -i` and `php-config` say; changes nothing.

use ext_php_rs_build::{ApiVersion, PHPInfo, emit_check_cfg, emit_php_cfg_flags, find_php};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    for variable in ["PHP", "PHP_CONFIG", "PATH"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let info = PHPInfo::get(&find_php()?)?;
    emit_check_cfg();
    emit_php_cfg_flags(ApiVersion::try_from(info.zend_version()?)?);
    if info.thread_safety()? {
        println!("cargo:rustc-cfg=php_zts");
    }
    println!("cargo:rustc-check-cfg=cfg(delayed_oom)");
    let headers = std::process::Command::new(std::env::var("PHP_CONFIG").unwrap_or("php-config".into()))
        .arg("--include-dir")
        .output()?;
    let headers = std::path::PathBuf::from(String::from_utf8(headers.stdout)?.trim());
    if std::fs::read_to_string(headers.join("Zend/zend_globals.h"))?.contains("delayed_oom") {
        println!("cargo:rustc-cfg=delayed_oom");
    }
    let source = "src/engine/serial.c";
    println!("cargo:rerun-if-changed={source}");
    let folders = ["", "main", "Zend", "TSRM"].map(|folder| headers.join(folder));
    cc::Build::new().file(source).includes(folders).warnings(false).compile("rustdaemon_serial");
    Ok(())
}
