//! Which user and groups a name stands for: looked up before the fork, because nothing of it may run after.
//!
//! # How it works
//! As chown(1) reads them: a name that exists, else a number. A user brings its own group unless another is given, and
//! the supplementary groups that initgroups(3) would set. A number without an entry in the user database has no group
//! of its own: it needs one given, and has no others.
//!
//! # Blocking
//! As long as the system's user database takes; /etc/passwd takes no time.
//! Sources: getpwnam(3), getgrouplist(3), setresuid(2).

use std::ffi::{CString, OsString};

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// What a process becomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Real, effective and saved user.
    pub uid: Option<Uid>,
    /// Real, effective and saved group.
    pub gid: Option<Gid>,
    /// Supplementary groups; `None`: as the sidecar's.
    pub groups: Option<Vec<Gid>>,
    /// `HOME`, `USER`, `LOGNAME` of another user than the sidecar's own.
    pub variables: Vec<(&'static str, OsString)>,
}

impl Identity {
    /// What `user` and `group` stand for. Nothing, when that is what the sidecar is already: so a sidecar without
    /// privileges can be given its own name.
    ///
    /// # Errors
    /// One sentence: which name is not known.
    pub fn of(user: Option<&str>, group: Option<&str>) -> Result<Self, String> {
        let gid = group.map(find_group).transpose().map_err(|what| format!("group: {what}"))?;
        let Some(user) = user else {
            return Ok(Self { gid: gid.filter(|gid| *gid != Gid::effective()), ..Self::default() });
        };
        let (uid, entry) = find_user(user)?;
        let gid = gid.or(entry.as_ref().map(|entry| entry.gid)).ok_or_else(|| {
            format!("user: uid {uid} has no entry in the user database, so its group is not known; set group")
        })?;
        if uid == Uid::effective() && !uid.is_root() && gid == Gid::effective() {
            return Ok(Self::default());
        }
        let groups = match &entry {
            None => vec![gid],
            Some(entry) => CString::new(entry.name.as_bytes())
                .map_err(|error| error.to_string())
                .and_then(|name| getgrouplist(&name, gid).map_err(|errno| errno.desc().to_owned()))
                .map_err(|why| format!("user: the groups of {user} cannot be looked up: {why}"))?,
        };
        let other = entry.filter(|_| uid != Uid::effective());
        let variables = other.map_or_else(Vec::new, |entry| {
            let name = OsString::from(entry.name);
            vec![("HOME", entry.dir.into_os_string()), ("USER", name.clone()), ("LOGNAME", name)]
        });
        Ok(Self { uid: Some(uid), gid: Some(gid), groups: Some(groups), variables })
    }
}

/// The user that a name or a number stands for, and its entry in the user database.
///
/// # Errors
/// One sentence.
pub fn find_user(text: &str) -> Result<(Uid, Option<User>), String> {
    let failed = |errno: nix::errno::Errno| format!("user: {text} cannot be looked up: {}", errno.desc());
    if let Some(entry) = User::from_name(text).map_err(failed)? {
        return Ok((entry.uid, Some(entry)));
    }
    let number = text.parse().map_err(|_| format!("user: there is no user \"{text}\" on this system"))?;
    let uid = Uid::from_raw(number);
    Ok((uid, User::from_uid(uid).map_err(failed)?))
}

/// The group that a name or a number stands for.
///
/// # Errors
/// One sentence.
pub fn find_group(text: &str) -> Result<Gid, String> {
    let entry =
        Group::from_name(text).map_err(|errno| format!("{text} cannot be looked up: {}", errno.desc()))?;
    match entry {
        Some(entry) => Ok(entry.gid),
        None => text
            .parse()
            .map(Gid::from_raw)
            .map_err(|_| format!("there is no group \"{text}\" on this system")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_mean_the_same() {
        let root = Identity::of(Some("root"), None).unwrap();
        assert_eq!(Identity::of(Some("0"), None), Ok(root.clone()));
        assert_eq!(Identity::of(Some("root"), Some("root")), Ok(root.clone()));
        assert_eq!(Identity::of(Some("0"), Some("0")), Ok(root));
    }

    #[test]
    fn a_user_brings_its_group_its_groups_and_its_home() {
        let daemon = Identity::of(Some("daemon"), None).unwrap();
        let entry = User::from_name("daemon").unwrap().unwrap();
        assert_eq!((daemon.uid, daemon.gid), (Some(entry.uid), Some(entry.gid)));
        assert!(daemon.groups.unwrap().contains(&entry.gid));
        assert_eq!(daemon.variables[0], ("HOME", entry.dir.into_os_string()));
        let other = Identity::of(Some("daemon"), Some("0")).unwrap();
        assert_eq!((other.gid, other.groups), (Some(Gid::from_raw(0)), Some(vec![Gid::from_raw(0)])));
    }

    #[test]
    fn a_number_without_an_entry_needs_a_group() {
        let error = Identity::of(Some("3999999"), None).unwrap_err();
        assert!(error.contains("uid 3999999 has no entry") && error.contains("set group"), "{error}");
        let given = Identity::of(Some("3999999"), Some("3999998")).unwrap();
        assert_eq!(given.groups, Some(vec![Gid::from_raw(3_999_998)]), "and gets no other");
        assert_eq!(given.variables, []);
    }

    #[test]
    fn who_does_not_exist_is_named() {
        let error = Identity::of(Some("no-such-user"), None).unwrap_err();
        assert_eq!(error, "user: there is no user \"no-such-user\" on this system");
        let error = Identity::of(None, Some("no-such-group")).unwrap_err();
        assert_eq!(error, "group: there is no group \"no-such-group\" on this system");
    }

    #[test]
    fn nothing_asked_for_changes_nothing() {
        assert_eq!(Identity::of(None, None), Ok(Identity::default()));
        assert_eq!(Identity::of(None, Some(&Gid::effective().to_string())), Ok(Identity::default()));
    }
}
