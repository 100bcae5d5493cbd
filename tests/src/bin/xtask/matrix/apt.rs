//! Source packages by apt, without touching how this machine's apt is configured.
//!
//! What apt reads (apt.conf(5), sources.list(5)) is read here too and written again as `deb-src` into a private
//! directory; apt then works with that, with lists and a cache of its own. Signatures are checked as always.
//!
//! Suites whose name ends in `-security` are left out: their binary packages are mirrored everywhere, their source
//! packages are not.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Context, Failure, Result, UNAVAILABLE};
use crate::run::{command, run, which};

const APT: &str = "/etc/apt";

/// Downloads a source package into `directory`, which is made; returns upstream's archive.
pub fn download(package: &str, directory: &Path) -> Result<PathBuf> {
    if which("apt-get").is_none() {
        return Err(Failure::with_code("no apt-get: the source comes from Debian", UNAVAILABLE));
    }
    let sources = directory.join("sources");
    for made in ["sources", "lists/partial", "cache/archives/partial"].map(|name| directory.join(name)) {
        fs::create_dir_all(&made).context(made.display())?;
    }
    write_sources(Path::new(APT), &sources)?;
    let apt = |arguments: &[&str]| {
        let option = |name: &str, value: &Path| {
            let mut option = OsString::from(format!("--option={name}="));
            option.push(value);
            option
        };
        let mut words: Vec<OsString> = ["env", "-C"].map(OsString::from).to_vec();
        words.extend([directory.into(), "apt-get".into(), "--quiet".into()]);
        words.extend([
            option("Dir::Etc::sourcelist", Path::new("/dev/null")),
            option("Dir::Etc::sourceparts", &sources),
            option("Dir::State::lists", &directory.join("lists")),
            option("Dir::Cache", &directory.join("cache")),
            "--option=APT::Sandbox::User=root".into(), // the user _apt may not write into a checkout
        ]);
        words.extend(arguments.iter().map(OsString::from));
        run(command(&words[0], &words[1..]))
    };
    apt(&["update"])?;
    apt(&["source", "--download-only", package])?;
    archive(directory, package)
}

/// `php8.2_8.2.32.orig.tar.xz`
fn archive(directory: &Path, package: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(directory).context(directory.display())? {
        let path = entry.context(directory.display())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&format!("{package}_")) && name.contains(".orig.tar") && !name.ends_with(".asc") {
            return Ok(path);
        }
    }
    Err(format!("apt-get has left no {package}_*.orig.tar.* in {}", directory.display()).into())
}

/// The same files as in `from` (/etc/apt), with `deb-src` in them.
fn write_sources(from: &Path, to: &Path) -> Result {
    let parts = fs::read_dir(from.join("sources.list.d")).into_iter().flatten().flatten();
    let files = parts.map(|entry| entry.path()).chain([from.join("sources.list")]);
    for path in files.filter(|path| path.is_file()) {
        let convert: fn(&str) -> String = match path.extension() {
            Some(kind) if kind == "sources" => stanzas_as_source,
            Some(kind) if kind == "list" => lines_as_source,
            _ => continue, // apt passes it over too
        };
        let text = fs::read_to_string(&path).context(path.display())?;
        let copy = to.join(path.file_name().unwrap_or_default());
        fs::write(&copy, convert(&text)).context(copy.display())?;
    }
    Ok(())
}

fn is_wanted(suite: &str) -> bool {
    !suite.trim_end_matches('/').ends_with("-security")
}

/// The deb822 format: stanzas of `Field: values`, with an empty line between them.
fn stanzas_as_source(text: &str) -> String {
    let mut stanzas = Vec::new();
    for stanza in text.split("\n\n") {
        let mut suites = 0;
        let mut lines = Vec::new();
        for line in stanza.lines() {
            match line.split_once(':') {
                Some((field, _)) if field.eq_ignore_ascii_case("Types") => {
                    lines.push("Types: deb-src".into())
                }
                Some((field, values)) if field.eq_ignore_ascii_case("Suites") => {
                    let wanted: Vec<&str> =
                        values.split_whitespace().filter(|suite| is_wanted(suite)).collect();
                    suites += wanted.len();
                    lines.push(format!("Suites: {}", wanted.join(" ")));
                }
                _ => lines.push(line.to_owned()),
            }
        }
        if suites > 0 {
            stanzas.push(lines.join("\n") + "\n");
        }
    }
    stanzas.join("\n")
}

/// The one-line format: `deb [options] uri suite components...`.
fn lines_as_source(text: &str) -> String {
    let mut converted = String::new();
    for line in text.lines() {
        let Some(entry) = line.strip_prefix("deb ") else { continue };
        let after_options = entry.split_once(']').map_or(entry, |(_, rest)| rest);
        if after_options.split_whitespace().nth(1).is_some_and(is_wanted) {
            converted += &format!("deb-src {entry}\n");
        }
    }
    converted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_become_sources_without_security() {
        let text = "Types: deb\n# a comment\nURIs: mirror://one\nSuites: stable stable-updates stable-security\n\
            Components: main\nSigned-By:\n -----BEGIN\n .\n -----END\n\n\
            Types: deb\nURIs: mirror://two\nSuites: stable-security\nComponents: main\n";
        assert_eq!(
            stanzas_as_source(text),
            "Types: deb-src\n# a comment\nURIs: mirror://one\nSuites: stable stable-updates\n\
            Components: main\nSigned-By:\n -----BEGIN\n .\n -----END\n"
        );
        assert_eq!(stanzas_as_source("# nothing\n"), "");
    }

    #[test]
    fn lines_become_sources_without_security() {
        let text = "deb mirror://one stable main\n# deb mirror://two stable main\ndeb-src mirror://one stable main\n\
            deb [arch=amd64 signed-by=/k] mirror://one stable-security main\ndeb [trusted=no] mirror://three stable main\n";
        assert_eq!(
            lines_as_source(text),
            "deb-src mirror://one stable main\ndeb-src [trusted=no] mirror://three stable main\n"
        );
    }
}
