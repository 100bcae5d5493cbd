//! What each verb needs from the machine, and how it gets there. One list for all verbs.
//!
//! # Rules
//! Nothing is installed twice, and nothing before its name was printed. Packages come from apt without their
//! recommendations, Python packages go into `target/venv` and nowhere else. No service is left running or enabled:
//! supervisor comes from PyPI for that reason, and `services.rs` disables what packages enable.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;

use crate::failure::{Failure, Result, UNAVAILABLE};
use crate::repo::{Repo, has_php_headers, php, run_tests_php};
use crate::run::{self, answer, answers, command, run, which};
use crate::services;

/// Supervisor from PyPI: 4.3.0 needs no setuptools and runs on Python 3.8 and later.
const SUPERVISOR: &str = "supervisor==4.3.0";

/// The plant's own list of what it needs from PyPI.
const PLANT_REQUIREMENTS: &str = "php/examples/plant/requirements.txt";

/// Verbs that install.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum For {
    Lint,
    Test,
    Demo,
}

struct Need {
    what: &'static str,
    why: &'static str,
    /// Debian packages; the first one gives it, the others keep apt from choosing something bigger (Laravel wants some
    /// PHP: without php-cli that may be Apache's, which brings a service).
    packages: &'static [&'static str],
    present: fn() -> bool,
}

const COMPILER: Need = Need {
    what: "cc and the C library's headers",
    why: "rustc links with it, ext-php-rs compiles a wrapper",
    packages: &["gcc", "libc6-dev"],
    present: || which("cc").is_some() && Path::new("/usr/include/stdio.h").is_file(),
};
const LIBCLANG: Need = Need {
    what: "libclang",
    why: "ext-php-rs reads PHP's headers with bindgen",
    packages: &["libclang-dev"],
    present: has_libclang,
};
const PHP: Need = Need {
    what: "php",
    why: "the extension is loaded into it",
    packages: &["php-cli"],
    present: || php().is_some(),
};
const PHP_HEADERS: Need = Need {
    what: "php-config and PHP's headers",
    why: "the extension is compiled against them",
    packages: &["php-dev"],
    present: has_php_headers,
};
const RUN_TESTS: Need = Need {
    what: "run-tests.php",
    why: "runs tests/phpt",
    packages: &["php-dev"],
    present: || run_tests_php().is_some(),
};
const PHP_CGI: Need = Need {
    what: "php-cgi",
    why: "a test shows that the extension does nothing outside of the cli",
    packages: &["php-cgi"],
    present: || which("php-cgi").is_some(),
};
const LARAVEL: Need = Need {
    what: "Laravel (Illuminate/autoload.php)",
    why: "php/examples/artisan is a Laravel console",
    packages: &["php-laravel-framework", "php-cli"],
    present: has_laravel,
};
const NETCAT: Need = Need {
    what: "nc with -U",
    why: "the documented probe is typed with it",
    packages: &["netcat-openbsd"],
    present: || {
        run::quietly(command("nc", ["-h"]), Duration::from_secs(10))
            .is_ok_and(|help| [help.stdout, help.stderr].concat().contains("-U"))
    },
};
const PYTHON: Need = Need {
    what: "python3 with venv",
    why: "the plant (asyncua) and supervisord live in target/venv",
    packages: &["python3-venv", "python3"],
    present: || python().is_some(),
};

impl For {
    fn needs(self) -> Vec<&'static Need> {
        let mut needs = vec![&COMPILER, &LIBCLANG, &PHP, &PHP_HEADERS];
        match self {
            For::Lint => {}
            For::Test => needs.extend([&RUN_TESTS, &PHP_CGI, &NETCAT]),
            For::Demo => needs.extend([&NETCAT, &LARAVEL, &PYTHON]),
        }
        needs
    }
}

/// Lists what is missing and installs it; with `check_only` the list is all, and missing things are a failure.
///
/// # Errors
/// With exit code 69 when something is missing and may not or cannot be installed here.
pub fn ensure(repo: &Repo, verb: For, check_only: bool) -> Result {
    if verb == For::Lint {
        toolchain_components()?;
    }
    let missing = missing(verb);
    let modules = if verb == For::Demo { missing_modules(repo)? } else { Vec::new() };
    for need in &missing {
        println!("missing: {} ({}): Debian package {}", need.what, need.why, need.packages[0]);
    }
    for module in &modules {
        println!("missing: {module} (for the plant and supervisord): from PyPI into target/venv");
    }
    if missing.is_empty() && modules.is_empty() {
        println!("nothing is missing");
        return Ok(());
    }
    if check_only {
        return Err(unavailable("not installed: --no-install"));
    }
    if !missing.is_empty() {
        install_packages(&missing)?;
    }
    if !modules.is_empty() {
        install_modules(repo, &modules)?;
    }
    Ok(())
}

fn missing(verb: For) -> Vec<&'static Need> {
    verb.needs().into_iter().filter(|need| !(need.present)()).collect()
}

fn unavailable(message: impl Into<String>) -> Failure {
    Failure::with_code(message, UNAVAILABLE)
}

fn install_packages(missing: &[&'static Need]) -> Result {
    let packages = packages_of(missing);
    if !is_debian(&fs::read_to_string("/etc/os-release").unwrap_or_default()) || which("apt-get").is_none() {
        let names: Vec<&str> = missing.iter().map(|need| need.what).collect();
        return Err(unavailable(format!(
            "this is neither Debian nor Ubuntu: please install {} and try again",
            names.join(", ")
        )));
    }
    let prefix: &[&str] = if geteuid().is_root() {
        &[]
    } else if answers("sudo", &["-n", "true"]) {
        &["sudo", "-n"]
    } else {
        return Err(unavailable(format!(
            "not root, and `sudo -n` does not work: please type this as root and try again\n\
             apt-get update && apt-get install --yes --no-install-recommends {}",
            packages.join(" ")
        )));
    };
    let apt = |arguments: &[&str]| {
        let apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--option=Dpkg::Use-Pty=0"];
        let words = [prefix, &apt, arguments].concat();
        run(command(words[0], &words[1..]))
    };
    let enabled = services::enabled();
    apt(&["update"])?;
    apt(&[&["install", "--yes", "--no-install-recommends"], packages.as_slice()].concat())?;
    services::disable_new(&enabled, prefix)?;
    match missing.iter().find(|need| !(need.present)()) {
        None => Ok(()),
        Some(need) => {
            Err(unavailable(format!("{} is installed, but still no {}", need.packages[0], need.what)))
        }
    }
}

/// In the order of the list, each once.
fn packages_of(missing: &[&'static Need]) -> Vec<&'static str> {
    let mut packages = Vec::new();
    for package in missing.iter().flat_map(|need| need.packages) {
        if !packages.contains(package) {
            packages.push(*package);
        }
    }
    packages
}

/// os-release(5): the system itself, or what it says it is like.
fn is_debian(os_release: &str) -> bool {
    os_release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
        .flat_map(|ids| ids.trim_matches('"').split_whitespace())
        .any(|id| id == "debian" || id == "ubuntu")
}

/// Where clang-sys, bindgen's library, looks.
fn has_libclang() -> bool {
    let in_llvm = || {
        let entries = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
        entries.flat_map(|path| [path.join("lib"), path]).any(|directory| holds_libclang(&directory))
    };
    std::env::var_os("LIBCLANG_PATH").is_some_and(|path| path_has_libclang(Path::new(&path))) || in_llvm()
}

fn path_has_libclang(path: &Path) -> bool {
    path.is_file() || holds_libclang(path)
}

fn holds_libclang(directory: &Path) -> bool {
    fs::read_dir(directory).into_iter().flatten().flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libclang.so") || name.starts_with("libclang-") && name.contains(".so")
    })
}

/// As artisan finds it: through PHP's include_path.
fn has_laravel() -> bool {
    let question = "exit(stream_resolve_include_path('Illuminate/autoload.php') === false ? 1 : 0);";
    php().is_some_and(|php| answers(php, &["-r", question]))
}

/// A Python that can make a virtual environment: the one in PATH may not, Debian's then can.
fn python() -> Option<PathBuf> {
    let candidates = [which("python3")?, PathBuf::from("/usr/bin/python3")];
    candidates.into_iter().find(|python| answers(python, &["-c", "import venv, ensurepip"]))
}

/// What the plant and the demo need, as `name==version`.
fn wanted_modules(repo: &Repo) -> Result<Vec<String>> {
    let path = repo.path(PLANT_REQUIREMENTS);
    let list = fs::read_to_string(&path).map_err(|why| format!("{}: {why}", repo.shown(&path)))?;
    let mut wanted = requirements(&list);
    wanted.push(SUPERVISOR.to_owned());
    if let Some(loose) = wanted.iter().find(|module| !module.contains("==")) {
        return Err(format!("{}: {loose} names no version (==)", repo.shown(&path)).into());
    }
    Ok(wanted)
}

fn requirements(list: &str) -> Vec<String> {
    let lines = list.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn missing_modules(repo: &Repo) -> Result<Vec<String>> {
    let mut missing = wanted_modules(repo)?;
    let question = "import importlib.metadata as m\nfor d in m.distributions(): print(d.metadata['Name'] + '==' + d.version)";
    let present = answer(repo.python(), &["-I", "-c", question]).unwrap_or_default();
    missing.retain(|module| !present.lines().any(|line| line.eq_ignore_ascii_case(module)));
    Ok(missing)
}

fn install_modules(repo: &Repo, modules: &[String]) -> Result {
    let python = python().ok_or_else(|| unavailable("no python3 that can make a virtual environment"))?;
    let inside = repo.python();
    if !answers(&inside, &["-m", "pip", "--version"]) {
        let venv = repo.venv();
        run(command(python, ["-m".as_ref(), "venv".as_ref(), "--clear".as_ref(), venv.as_os_str()]))?;
    }
    let pip = ["-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off"];
    run(command(inside, pip.into_iter().chain(modules.iter().map(String::as_str))))?;
    match missing_modules(repo)?.first() {
        None => Ok(()),
        Some(module) => Err(unavailable(format!("pip has run, but {module} is not in target/venv"))),
    }
}

/// rustfmt and clippy are components of the Rust toolchain, which is assumed.
fn toolchain_components() -> Result {
    for (verb, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !answers("cargo", &[verb, "--version"]) {
            return Err(unavailable(format!(
                "cargo {verb} is missing: `rustup component add {component}`, or your toolchain's package of that name"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_ubuntu_and_what_is_like_them() {
        assert!(is_debian("NAME=x\nID=debian\nVERSION_ID=\"12\"\n"));
        assert!(is_debian("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(is_debian("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian("ID=fedora\nVERSION_ID=42\nPRETTY_NAME=\"not debian\"\n"));
        assert!(!is_debian(""));
    }

    #[test]
    fn each_package_is_named_once() {
        assert_eq!(
            packages_of(&[&PHP, &PHP_HEADERS, &RUN_TESTS, &LARAVEL]),
            ["php-cli", "php-dev", "php-laravel-framework"]
        );
    }

    #[test]
    fn requirements_are_lines_without_comments() {
        assert_eq!(requirements("# the plant\nasyncua==2.1.0  # pinned\n\n"), ["asyncua==2.1.0"]);
    }
}
