//! Debian forky in target/matrix/forky, for what is newer there than here: PHP 8.4, Laravel 13. Its programs see this
//! checkout and /tmp under the same paths as we do, and the same processes, so that a path or a pid means the same on
//! both sides.
//!
//! # Correct order
//! debootstrap(8), packages, the file `complete` (see `kept`). forky moves on: remove the directory to have what it holds
//! today. All that can be built here is built here, against its headers, not inside: it needs no Rust and no libclang, and
//! what was linked with an older C library runs with a newer one (glibc promises that; the reverse it does not).
//!
//! # What it must not do
//! - Leave a mount behind, or let somebody who removes the directory remove what is mounted there: each command has a
//!   mount namespace of its own (mount_namespaces(7)), debootstrap too.
//! - Start a service: policy-rc.d forbids it to all maintainer scripts (invoke-rc.d(8)).

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::kept::{Kept, logged, remove};
use crate::build;
use crate::failure::{Context, Result};
use crate::repo::Repo;
use crate::run::{self, command};

const SUITE: &str = "forky";

/// A debootstrap that is older than the suite has no script for it. All suites of the last years share this one.
const SCRIPT: &str = "sid";

/// Without their versions: Debian's Laravel runs with Debian's PHP. PHP's extensions and other programs are those that the
/// tests use.
#[rustfmt::skip]
const PACKAGES: [&str; 17] = [
    "ca-certificates", "composer", "php-cgi", "php-cli", "php-dev", "php-laravel-framework", "php-mbstring", "php-redis",
    "php-sqlite3", "php-symfony-framework-bundle", "php-xml", "phpunit", "procps", "python3", "redis-tools",
    "supervisor", "systemd",
];

/// A mirror that lags behind says so by a date that has passed; the signatures are checked all the same.
const APT: [&str; 4] = ["apt-get", "--quiet", "--yes", "--option=Acquire::Check-Valid-Until=false"];

const NO_SERVICES: &str = "#!/bin/sh\nexit 101\n";

/// Debian's Laravel 13 looks for its default configuration two directories above its code, where no package puts it.
const CONFIGURATION: [&str; 2] = ["php/Illuminate/config", "usr/share/config"];

pub struct Chroot {
    root: PathBuf,
    /// Runs a program inside.
    inside: PathBuf,
}

impl Chroot {
    /// `depending`: what was made with it and is wrong for another one.
    pub fn built(repo: &Repo, depending: &Path) -> Result<Self> {
        let root = repo.path("target/matrix").join(SUITE);
        let chroot = Self { inside: script(repo, "in", &enter(&root, &repo.path("")))?, root };
        let kept = Kept { directory: chroot.root.clone(), recipe: PACKAGES.join("\n") };
        if !kept.is_complete(repo) {
            remove(&chroot.root)?;
            remove(depending)?;
            chroot.make(repo)?;
            kept.set_complete()?;
        }
        Ok(chroot)
    }

    fn make(&self, repo: &Repo) -> Result {
        let log = |name: &str| repo.path("target/matrix").join(name);
        let root = self.root.display().to_string();
        let mut debootstrap = command("unshare", ["--mount", "--propagation=private"]);
        debootstrap.args(["/usr/sbin/debootstrap", "--variant=minbase", SUITE, &root, "", SCRIPT]);
        logged(repo, debootstrap, &log("debootstrap.log"))?;
        let policy = self.root.join("usr/sbin/policy-rc.d");
        build::replace(&policy, NO_SERVICES.as_bytes(), 0o755)?;
        let mut update = self.command(&APT);
        update.arg("update");
        logged(repo, update, &log("update.log"))?;
        let mut install = self.command(&["env", "DEBIAN_FRONTEND=noninteractive"]);
        install.args(APT).args(["install", "--no-install-recommends"]).args(PACKAGES);
        logged(repo, install, &log("packages.log"))?;
        let [to, link] = CONFIGURATION;
        symlink(to, self.root.join(link)).context(link)
    }

    /// A program inside, and its first arguments.
    pub fn command(&self, words: &[&str]) -> Command {
        command(&self.inside, words)
    }

    /// What a program inside says.
    pub fn answer(&self, words: &[&str]) -> Result<String> {
        run::answer(&self.inside, words)
            .ok_or_else(|| format!("{}: no answer to {}", self.inside.display(), words.join(" ")).into())
    }

    /// A program out here that runs one inside.
    pub fn program(&self, repo: &Repo, name: &str) -> Result<PathBuf> {
        script(repo, name, &format!("exec {} {name} \"$@\"", shown(&self.inside)))
    }

    /// Its php-config, which says where PHP's headers are as seen from here.
    pub fn php_config(&self, repo: &Repo) -> Result<PathBuf> {
        let headers = "/usr/include/php";
        let there = shown(&self.path(headers));
        let ask = format!("{} php-config \"$@\" | sed 's|{headers}|'{there}'|g'", shown(&self.inside));
        script(repo, "php-config", &ask)
    }

    /// A path inside as seen from here.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }
}

/// Mounts, then changes root. At the end the chroot is mounted on itself, so that its root is a mount point:
/// unshare(1), which a test calls inside, wants that. Build scripts of crates run where cargo keeps them, which is not there
/// inside: what they ask of PHP has nothing to do with it.
fn enter(root: &Path, checkout: &Path) -> String {
    let mounts = r#"root=$1 checkout=$2
shift 2
for shared in "$checkout" /proc /sys /dev /tmp; do
    mkdir -p "$root$shared"
    mount --rbind "$shared" "$root$shared"
done
mount --rbind "$root" "$root"
here=$PWD
[ -d "$root$here" ] || here=/
exec chroot "$root" env --unset=TMPDIR --chdir="$here" PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@""#;
    let [root, checkout] = [root, checkout].map(|path| path.display().to_string());
    let enter =
        command("unshare", ["--mount", "--propagation=private", "sh", "-ec", mounts, "sh", &root, &checkout]);
    format!("exec {} \"$@\"", run::show(&enter))
}

/// `target/matrix/forky-NAME`
fn script(repo: &Repo, name: &str, line: &str) -> Result<PathBuf> {
    let path = repo.path("target/matrix").join(format!("{SUITE}-{name}"));
    build::replace(&path, format!("#!/bin/sh\n{line}\n").as_bytes(), 0o755)?;
    Ok(path)
}

/// A path as one word of a shell.
fn shown(path: &Path) -> String {
    run::show(&Command::new(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_spaces_are_one_word() {
        let enter = enter(Path::new("/my code/forky"), Path::new("/my code"));
        assert!(enter.starts_with("exec unshare --mount --propagation=private sh -ec 'root=$1 "), "{enter}");
        assert!(enter.ends_with(" sh '/my code/forky' '/my code' \"$@\""), "{enter}");
    }
}
