//! What a package brings must not run afterwards: Debian's packages enable their units at installation, so whatever is
//! enabled after it and was not before is disabled again. PHP itself brings such a unit, phpsessionclean.timer.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::failure::Result;
use crate::run::{command, run};

/// Names of the units that are enabled: the links below /etc/systemd/system (systemd.unit(5)).
pub fn enabled() -> BTreeSet<String> {
    enabled_below(Path::new("/etc/systemd/system"))
}

/// Disables what is not in `before`, with the words of `prefix` (sudo) in front.
pub fn disable_new(before: &BTreeSet<String>, prefix: &[&str]) -> Result {
    for unit in enabled().difference(before) {
        let systemd_runs = Path::new("/run/systemd/system").is_dir(); // sd_booted(3)
        let disable: &[&str] = if systemd_runs {
            &["systemctl", "disable", "--now"]
        } else {
            &["deb-systemd-helper", "disable"]
        };
        let words = [prefix, disable, &[unit.as_str()]].concat();
        run(command(words[0], &words[1..]))?;
    }
    Ok(())
}

fn enabled_below(directory: &Path) -> BTreeSet<String> {
    let list = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let wanting = list(directory).filter(|path| {
        path.extension().is_some_and(|extension| extension == "wants" || extension == "requires")
    });
    let links = wanting.flat_map(|path| list(&path));
    links.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
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
        let found: Vec<String> = enabled_below(directory.path()).into_iter().collect();
        assert_eq!(found, ["a.timer", "b.service"]);
    }
}
