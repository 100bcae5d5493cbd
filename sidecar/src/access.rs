//! Who may do what: the token that clients must show, and the role of who is at the other end.
//!
//! # How it works
//! **Token.** Where there is one, every request shows it, whoever asks: the sidecar's own user is often that of
//! everything else on the machine. Only a `ping` needs none, and is then told no more than that somebody is there (FLAT's
//! shows it, as in opcua-session-manager).
//!
//! **Roles.** `status < call < control < admin`. Root and the sidecar's own user are `admin`. Others have the highest role
//! that lists them, by user or by group; whoever is in no list may `call`, and on the control socket `control`: the
//! file's mode says who may open it. Where there is a control socket, the other one is for calls only, whoever asks; so is
//! TCP, which shows no user.
//!
//! # What may be lost
//! How long a token takes to compare tells its length, as PHP's `hash_equals()` does, and nothing else.
//!
//! # Rules
//! Pure. A token is never shown: not by `Debug`, not in a sentence.
//! Sources: DESIGN §4; unix(7) SO_PEERCRED.

use core::net::SocketAddr;
use std::fmt;

use rustdaemon_core::settings;
use subtle::ConstantTimeEq;

/// What clients must show.
#[derive(Clone, Debug)]
pub struct Token(settings::Token);

impl Token {
    /// A token of these bytes.
    ///
    /// # Errors
    /// One sentence, without a byte of it.
    pub fn new(bytes: &[u8]) -> Result<Self, String> {
        settings::Token::new(bytes).map(Self)
    }

    /// Whether it is what somebody shows, in a time that does not depend on where they differ.
    #[must_use]
    pub fn is(&self, shown: &str) -> bool {
        self.0.as_bytes().ct_eq(shown.as_bytes()).into()
    }
}

/// What somebody may do; each may also what is before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Status,
    /// Call workers' methods.
    Call,
    /// Change what workers do.
    Control,
    /// End the daemon.
    Admin,
}

impl Role {
    /// All, the least first.
    pub const ALL: [Self; 4] = [Self::Status, Self::Call, Self::Control, Self::Admin];

    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Call => "call",
            Self::Control => "control",
            Self::Admin => "admin",
        }
    }

    /// What a built-in method needs.
    #[must_use]
    pub fn for_built_in(method: &str) -> Self {
        match method {
            "ping" | "daemon.status" | "daemon.methods" | "daemon.logs" | "daemon.subscribe"
            | "worker.list" | "worker.status" | "farm.list" | "system.listMethods" => Self::Status,
            "daemon.reload" | "worker.pause" | "worker.resume" | "worker.restart" | "worker.stop"
            | "worker.start" | "worker.signal" | "worker.scale" => Self::Control,
            "worker.send" => Self::Call,
            _ => Self::Admin, // `daemon.stop`, and what nobody has thought of
        }
    }
}

/// Where somebody came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// `socket`.
    Main,
    /// `control`.
    Control,
    /// `tcp`.
    Tcp,
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Main, Self::Control, Self::Tcp];
}

/// Who is at the other end of a connection, as it was when that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A process of this machine.
    Process {
        /// Which; 0: one outside this PID namespace.
        pid: i32,
        /// Its user.
        uid: u32,
        /// Its group.
        gid: u32,
        /// Its supplementary groups, where somebody wants to know.
        groups: Vec<u32>,
    },
    /// Whoever speaks from there.
    Address(SocketAddr),
    /// The kernel does not tell.
    Unknown,
}

impl fmt::Display for Peer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { pid: 0, uid, .. } => write!(out, "outside this PID namespace (uid {uid})"),
            Self::Process { pid, uid, .. } => write!(out, "pid {pid} (uid {uid})"),
            Self::Address(address) => write!(out, "{address}"),
            Self::Unknown => out.write_str("somebody unknown"),
        }
    }
}

/// Who has a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever comes in.
    Everybody,
    /// A user.
    User(u32),
    /// Whoever has this group, as its own or as a supplementary one.
    Group(u32),
}

impl Who {
    fn is(self, peer: &Peer) -> bool {
        match (self, peer) {
            (Self::Everybody, _) => true,
            (Self::User(user), Peer::Process { uid, .. }) => user == *uid,
            (Self::Group(group), Peer::Process { gid, groups, .. }) => {
                group == *gid || groups.contains(&group)
            }
            _ => false,
        }
    }
}

/// Who may do what.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// What every client must show.
    pub token: Option<Token>,
    /// The sidecar's own user.
    pub own_uid: u32,
    /// Who has which role.
    pub roles: Vec<(Role, Who)>,
    /// There is a control socket.
    pub has_control: bool,
}

impl Access {
    /// Whether supplementary groups make a difference.
    #[must_use]
    pub fn wants_groups(&self) -> bool {
        self.roles.iter().any(|(_, who)| matches!(who, Who::Group(_)))
    }

    /// What somebody may do who came in by that door.
    #[must_use]
    pub fn role_of(&self, door: Door, peer: &Peer) -> Role {
        let (usual, most) = match door {
            Door::Main if self.has_control => (Role::Call, Role::Call),
            Door::Main => (Role::Call, Role::Admin),
            Door::Control => (Role::Control, Role::Admin),
            Door::Tcp => (Role::Call, Role::Call),
        };
        let role = match peer {
            Peer::Unknown => Role::Status,
            Peer::Process { uid, .. } if *uid == 0 || *uid == self.own_uid => Role::Admin,
            _ => self
                .roles
                .iter()
                .filter(|(_, who)| who.is(peer))
                .map(|(role, _)| *role)
                .max()
                .unwrap_or(usual),
        };
        role.min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_itself_only_and_shows_nothing() {
        let token = Token::new(b"s3cret").unwrap();
        assert!(token.is("s3cret"));
        for other in ["", "s3cre", "s3cret ", "S3cret", "s3creT", "s3cret\0"] {
            assert!(!token.is(other), "{other:?}");
        }
        assert!(!format!("{token:?}").contains("s3cret"));
    }
    fn process(uid: u32, gid: u32, groups: &[u32]) -> Peer {
        Peer::Process { pid: 7, uid, gid, groups: groups.to_vec() }
    }

    #[test]
    fn the_highest_list_counts_and_who_is_in_none_may_call() {
        let roles = vec![
            (Role::Status, Who::User(10)),
            (Role::Control, Who::User(11)),
            (Role::Control, Who::Group(50)),
            (Role::Status, Who::User(11)),
            (Role::Admin, Who::User(12)),
        ];
        let access = Access { own_uid: 33, roles, ..Access::default() };
        let cases = [
            (process(0, 0, &[]), Role::Admin),
            (process(33, 33, &[]), Role::Admin),
            (process(9, 9, &[]), Role::Call),
            (process(10, 9, &[]), Role::Status),
            (process(10, 9, &[8, 50]), Role::Control),
            (process(9, 50, &[]), Role::Control),
            (process(11, 9, &[]), Role::Control),
            (process(12, 9, &[]), Role::Admin),
            (Peer::Unknown, Role::Status),
        ];
        for (peer, role) in cases {
            assert_eq!(access.role_of(Door::Main, &peer), role, "{peer:?}");
            assert_eq!(access.role_of(Door::Tcp, &peer), role.min(Role::Call), "{peer:?}");
            let has_control = Access { has_control: true, ..access.clone() };
            assert_eq!(has_control.role_of(Door::Main, &peer), role.min(Role::Call), "{peer:?}");
        }
        assert!(access.wants_groups() && !Access::default().wants_groups());
    }

    #[test]
    fn who_may_open_the_control_socket_may_control_unless_listed() {
        let roles = vec![(Role::Status, Who::User(10))];
        let access = Access { own_uid: 33, roles, has_control: true, ..Access::default() };
        assert_eq!(access.role_of(Door::Control, &process(9, 9, &[])), Role::Control);
        assert_eq!(access.role_of(Door::Control, &process(10, 9, &[])), Role::Status);
        assert_eq!(access.role_of(Door::Control, &process(33, 9, &[])), Role::Admin);
    }

    #[test]
    fn everybody_takes_the_place_of_the_usual_role() {
        let roles = vec![(Role::Status, Who::Everybody), (Role::Call, Who::User(10))];
        let access = Access { own_uid: 33, roles, ..Access::default() };
        let address = Peer::Address("127.0.0.1:1".parse().unwrap());
        let roles =
            [process(9, 9, &[]), process(10, 9, &[]), address].map(|peer| access.role_of(Door::Tcp, &peer));
        assert_eq!(roles, [Role::Status, Role::Call, Role::Status]);
    }
}
