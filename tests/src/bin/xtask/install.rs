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

use crate::failure::{Context, Failure, Result, UNAVAILABLE};
use crate::repo::{Repo, has_php_headers, php, run_tests_php};
use crate::run::{self, answer, answers, command, run, which};
use crate::services;

/// Supervisor from PyPI: 4.3.0 needs no setuptools and runs on Python 3.8 and later.
const SUPERVISOR: &str = "supervisor==4.3.0";

/// The plant's own list of what it needs from PyPI.
const PLANT_REQUIREMENTS: &str = "php/examples/plant/requirements.txt";

/// ReactPHP's event loop comes in the `vendor` of a module for Icinga Web: no package has it by itself. tests/e2e/react.rs
/// looks in the same place.
const REACT: &str = "target/react";
const REACT_AUTOLOAD: &str = "usr/share/icingaweb2/modules/reactbundle/vendor/autoload.php";
const REACT_PACKAGE: &str = "icingaweb2-module-reactbundle";
const REACT_WHAT: &str = "ReactPHP's event loop";

/// cargo's subcommand, which goes where cargo installs programs.
const CARGO_FUZZ: &str = "cargo-fuzz@0.13.2";

/// Verbs that install.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum For {
    Lint,
    Test,
    Demo,
    Bench,
    MatrixDebug,
    MatrixValgrind,
    MatrixForky,
    Fuzz,
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
    why: "php/src/Laravel is tested in it, and php/examples/artisan is its console",
    packages: &["php-laravel-framework", "php-cli"],
    present: has_laravel,
};
const PHP_REDIS: Need = Need {
    what: "php-redis",
    why: "a test forks 1 000 children beside a connection to Redis, channels are measured against its lists",
    packages: &["php-redis", "php-cli"],
    present: || has_extension("redis"),
};
const PHP_SQLITE: Need = Need {
    what: "php-sqlite3",
    why: "queues and databases of Laravel's tests lie in it",
    packages: &["php-sqlite3", "php-cli"],
    present: || has_extension("pdo_sqlite"),
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
const SOCAT: Need = Need {
    what: "socat",
    why: "a test types the documented probe with it too",
    packages: &["socat"],
    present: || which("socat").is_some(),
};
const SYMFONY: Need = Need {
    what: "Symfony's FrameworkBundle and console (Symfony/Bundle/FrameworkBundle/autoload.php)",
    why: "php/examples/symfony is an application of it, and a test runs a command inside a handler",
    packages: &["php-symfony-framework-bundle", "php-symfony-console", "php-intl", "php-cli"],
    present: has_symfony,
};
const PHPUNIT: Need = Need {
    what: "phpunit",
    why: "runs php/tests",
    packages: &["phpunit", "php-cli"],
    present: || which("phpunit").is_some(),
};
const PHPCS: Need = Need {
    what: "phpcs",
    why: "checks the style of php/",
    packages: &["php-codesniffer", "php-cli"],
    present: || which("phpcs").is_some(),
};
const COMPOSER: Need = Need {
    what: "composer",
    why: "validates php/composer.json",
    packages: &["composer", "php-cli"],
    present: || which("composer").is_some(),
};
const PYTHON: Need = Need {
    what: "python3 with venv",
    why: "the plant (asyncua) and supervisord live in target/venv",
    packages: &["python3-venv", "python3"],
    present: || python().is_some(),
};
const MAKE: Need = Need {
    what: "make",
    why: "builds the debug PHP",
    packages: &["make"],
    present: || which("make").is_some(),
};
const XZ: Need = Need {
    what: "xz",
    why: "unpacks PHP's source",
    packages: &["xz-utils"],
    present: || which("xz").is_some(),
};
const PKG_CONFIG: Need = Need {
    what: "pkg-config",
    why: "PHP's configure finds libffi with it",
    packages: &["pkg-config"],
    present: || which("pkg-config").is_some(),
};
const LIBFFI: Need = Need {
    what: "libffi's headers",
    why: "tests/phpt/include/sidecar.php needs PHP's FFI",
    packages: &["libffi-dev", "pkg-config"],
    present: || answers("pkg-config", &["--exists", "libffi"]),
};
const VALGRIND: Need = Need {
    what: "valgrind",
    why: "tests/phpt runs under it, and it counts instructions",
    packages: &["valgrind"],
    present: || which("valgrind").is_some(),
};
const STRACE: Need = Need {
    what: "strace",
    why: "counts system calls",
    packages: &["strace"],
    present: || which("strace").is_some(),
};
/// The package of this name is one that brings a service, and links to this program: it is the server where it is called so.
const REDIS: Need = Need {
    what: "Redis (redis-check-rdb)",
    why: "pings and channels are measured against it, and a test keeps a connection to it",
    packages: &["redis-tools"],
    present: || which("redis-check-rdb").is_some(),
};
/// The archive's keys come with it: without them the download is refused.
const DEBOOTSTRAP: Need = Need {
    what: "debootstrap",
    why: "makes Debian forky, with its PHP and its Laravel",
    packages: &["debootstrap", "debian-archive-keyring"],
    present: || Path::new("/usr/sbin/debootstrap").is_file(),
};

const CXX: Need = Need {
    what: "c++",
    why: "libFuzzer is compiled with it",
    packages: &["g++"],
    present: || which("c++").is_some(),
};

impl For {
    fn needs(self) -> Vec<&'static Need> {
        if self == For::Fuzz {
            return vec![&COMPILER, &CXX]; // no PHP in it
        }
        let mut needs = vec![&COMPILER, &LIBCLANG, &PHP, &PHP_HEADERS];
        match self {
            For::Fuzz => {}
            For::Lint => needs.extend([&PHPCS, &COMPOSER]),
            For::Test => {
                needs.extend([&RUN_TESTS, &PHP_CGI, &NETCAT, &SOCAT, &SYMFONY, &LARAVEL, &PHPUNIT]);
                needs.extend([&REDIS, &PHP_REDIS, &PHP_SQLITE]);
            }
            For::Demo => needs.extend([&NETCAT, &LARAVEL, &PYTHON]),
            For::Bench => needs.extend([&VALGRIND, &STRACE, &REDIS, &PHP_REDIS]),
            For::MatrixDebug => needs.extend([&MAKE, &XZ, &PKG_CONFIG, &LIBFFI]),
            For::MatrixValgrind => needs.extend([&RUN_TESTS, &PHP_CGI, &VALGRIND]),
            For::MatrixForky => {
                needs.extend([&PHPUNIT, &LARAVEL, &SYMFONY, &PHP_REDIS, &PHP_SQLITE, &DEBOOTSTRAP])
            }
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
    if verb == For::MatrixForky && !geteuid().is_root() {
        return Err(unavailable(
            "forky and laravel need a chroot, which only root can make: try again as root, or with debug, zts or valgrind",
        ));
    }
    let missing = missing(verb);
    let modules = if verb == For::Demo { missing_modules(repo)? } else { Vec::new() };
    for need in &missing {
        println!("missing: {} ({}): Debian package {}", need.what, need.why, need.packages[0]);
    }
    for module in &modules {
        println!("missing: {module} (for the plant and supervisord): from PyPI into target/venv");
    }
    let no_react = matches!(verb, For::Test | For::MatrixForky) && !has_react(repo);
    if no_react {
        println!(
            "missing: {REACT_WHAT} (a test waits in it): out of Debian package {REACT_PACKAGE} into target/react"
        );
    }
    let no_cargo_fuzz = verb == For::Fuzz && !answers("cargo", &["fuzz", "--version"]);
    if no_cargo_fuzz {
        println!(
            "missing: {CARGO_FUZZ} (builds and starts the fuzz targets): from crates.io, by cargo install"
        );
    }
    if missing.is_empty() && modules.is_empty() && !no_react && !no_cargo_fuzz {
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
    if no_react {
        unpack_react(repo)?;
    }
    if no_cargo_fuzz {
        run(command("cargo", ["install", "--locked", CARGO_FUZZ]))?;
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
    if !has_apt() {
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

fn has_apt() -> bool {
    is_debian(&fs::read_to_string("/etc/os-release").unwrap_or_default()) && which("apt-get").is_some()
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
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| is_libclang(&entry.file_name().to_string_lossy()))
}

/// `libclang-cpp.so.14`, which clang itself brings along, is another library: clang-sys passes it over too.
fn is_libclang(name: &str) -> bool {
    let versioned =
        name.starts_with("libclang-") && name.contains(".so") && !name.starts_with("libclang-cpp");
    versioned || name.starts_with("libclang.so")
}

fn has_laravel() -> bool {
    is_in_include_path("Illuminate/autoload.php")
}

fn has_symfony() -> bool {
    is_in_include_path("Symfony/Bundle/FrameworkBundle/autoload.php")
        && is_in_include_path("Symfony/Component/Console/autoload.php")
}

fn has_extension(name: &str) -> bool {
    let question = format!("exit(extension_loaded('{name}') ? 0 : 1);");
    php().is_some_and(|php| answers(php, &["-r", &question]))
}

/// As `require` finds it.
fn is_in_include_path(file: &str) -> bool {
    let question = format!("exit(stream_resolve_include_path('{file}') === false ? 1 : 0);");
    php().is_some_and(|php| answers(php, &["-r", &question]))
}

fn has_react(repo: &Repo) -> bool {
    repo.path(REACT).join(REACT_AUTOLOAD).is_file()
}

/// Unpacks the package's files and nothing else: installed, it would bring Icinga Web and a web server. Needs no root:
/// apt works with lists of its own, which may be missing or out of date in the system.
fn unpack_react(repo: &Repo) -> Result {
    if !has_apt() {
        return Err(unavailable(format!(
            "this is neither Debian nor Ubuntu: please put react/event-loop 1.x, with Composer's vendor/autoload.php, \
             where {REACT}/{REACT_AUTOLOAD} is expected, and try again"
        )));
    }
    let target = repo.path("target");
    fs::create_dir_all(&target).context(target.display())?;
    let work = tempfile::Builder::new().prefix("react-").tempdir_in(&target).context(target.display())?;
    for made in ["lists/partial", "cache/archives/partial"].map(|name| work.path().join(name)) {
        fs::create_dir_all(&made).context(made.display())?;
    }
    let apt = |arguments: &[&str]| {
        let general = ["--quiet", "--option=APT::Sandbox::User=root", "--option=Acquire::Languages=none"];
        let mut apt = command("apt-get", general);
        for (option, name) in [("Dir::State::lists", "lists"), ("Dir::Cache", "cache")] {
            apt.arg(format!("--option={option}={}", work.path().join(name).display()));
        }
        apt.args(arguments).current_dir(work.path());
        run(apt)
    };
    let mut unpack = command("sh", ["-c", "dpkg -x *.deb files"]);
    unpack.current_dir(work.path());
    apt(&["update"])?;
    apt(&["download", REACT_PACKAGE])?;
    run(unpack)?;
    // Another run may have been faster.
    let files = work.path().join("files");
    let moved = fs::rename(&files, repo.path(REACT)).context(files.display());
    if has_react(repo) {
        return Ok(());
    }
    moved.and(Err(unavailable(format!("{REACT_PACKAGE} is unpacked, but still no {REACT}/{REACT_AUTOLOAD}"))))
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
    fn clangs_cpp_library_is_not_libclang() {
        assert!(is_libclang("libclang.so.1") && is_libclang("libclang-14.so.14.0.6"));
        assert!(!is_libclang("libclang-cpp.so.14") && !is_libclang("libclangrt.a"));
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
