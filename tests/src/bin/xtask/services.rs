//! What a package brings must not run afterwards: Debian's packages enable their units at installation, so whatever is
//! enabled after it and was not before is disabled again. PHP itself brings such a unit, phpsessionclean.timer.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Result;
use crate::run::{command, run};

/// What enables a unit: the links below /etc/systemd/system (systemd.unit(5)).
pub fn enabled() -> BTreeSet<PathBuf> {
    enabled_below(Path::new("/etc/systemd/system"))
}

/// Disables what is not in `before`, with the words of `prefix` (sudo) in front: by systemd where it runs, else (in a
/// container or chroot) by taking the link away.
pub fn disable_new(before: &BTreeSet<PathBuf>, prefix: &[&str]) -> Result {
    let systemd_runs = Path::new("/run/systemd/system").is_dir(); // sd_booted(3)
    for link in enabled().difference(before) {
        let [unit, link] =
            [link.file_name().unwrap_or_default(), link.as_os_str()].map(OsStr::to_string_lossy);
        let disable: &[&str] =
            if systemd_runs { &["systemctl", "disable", "--now", &unit] } else { &["rm", "-f", &link] };
        let words = [prefix, disable].concat();
        run(command(words[0], &words[1..]))?;
    }
    Ok(())
}

fn enabled_below(directory: &Path) -> BTreeSet<PathBuf> {
    let list = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let wanting = list(directory).filter(|path| {
        path.extension().is_some_and(|extension| extension == "wants" || extension == "requires")
    });
    wanting.flat_map(|path| list(&path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_found_by_their_links() {
        let directory = tempfile::tempdir().unwrap();
        for path in
            ["timers.target.wants/a.timer", "multi-user.target.requires/b.service", "c.service.d/d.conf"]
        {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink("/nowhere", path).unwrap();
        }
        let found = enabled_below(directory.path());
        let names: Vec<&OsStr> = found.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(names, ["b.service", "a.timer"]);
    }
}
