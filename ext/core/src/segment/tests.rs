//! Segments as they are made, found, refused and damaged.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::*;

/// A name of this test's own, removed in the end.
struct Named(Name);

impl Named {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(Name::parse(name.as_bytes()).unwrap())
    }

    fn listed(&self, kind: Kind) -> Listed {
        Listed::own(kind, self.0.clone())
    }

    fn open(&self, ring_bytes: Option<usize>) -> Result<Segment, Refusal> {
        Segment::open(&self.0, Kind::Channel, 64, ring_bytes, 2 * page_bytes(), |content| {
            word(content).store(7, Ordering::Relaxed);
            Ok(())
        })
    }

    fn refusal(&self, ring_bytes: Option<usize>) -> String {
        self.open(ring_bytes).unwrap_err().to_string()
    }

    /// Changes the bytes of the file at an offset.
    fn write(&self, at: u64, bytes: &[u8]) {
        let file = std::fs::OpenOptions::new().write(true).open(self.listed(Kind::Channel).path()).unwrap();
        file.write_all_at(bytes, at).unwrap();
    }

    fn header(&self) -> Header {
        let mut bytes = [0; size_of::<Header>()];
        File::open(self.listed(Kind::Channel).path()).unwrap().read_exact_at(&mut bytes, 0).unwrap();
        Header::from_bytes(&bytes)
    }

    /// Changes its header and makes the checksum right again.
    fn change(&self, change: impl FnOnce(&mut Header)) {
        let mut header = self.header();
        change(&mut header);
        let header = Header { checksum: header.sum(), ..header };
        self.write(0, header.bytes());
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        for kind in Kind::ALL {
            let _ = std::fs::remove_file(self.listed(kind).path());
        }
    }
}

fn word(place: NonNull<u8>) -> &'static AtomicU64 {
    // SAFETY: aligned, and the segments of these tests outlive their use.
    unsafe { AtomicU64::from_ptr(place.as_ptr().cast()) }
}

fn shape(ring_bytes: usize) -> Shape {
    Shape { kind: Kind::Channel, content_bytes: 64, ring_bytes }
}

#[test]
fn what_is_written_behind_the_ring_is_at_its_beginning() {
    let bytes = page_bytes();
    let segment = Segment::anonymous(shape(bytes), |_| Ok(())).unwrap();
    let at = |offset: usize| {
        // SAFETY: within the two halves.
        unsafe { std::slice::from_raw_parts_mut(segment.ring().as_ptr().add(offset), 4) }
    };
    at(bytes - 2).copy_from_slice(b"abcd");
    assert_eq!(at(0), b"cd\0\0");
    at(1).copy_from_slice(b"xyz.");
    assert_eq!(at(bytes), b"cxyz");
    assert_eq!(segment.content().as_ptr() as usize % CONTENT_AT, 0);
    assert_eq!((segment.ring_bytes(), segment.listed(), segment.was_made()), (bytes, None, true));
    assert_eq!(segment.fifo(), None);
}

#[test]
fn each_segment_of_a_name_has_a_fifo_of_another() {
    let named = Named::new();
    let (first, same) = (named.open(None).unwrap(), named.open(None).unwrap());
    assert!(first.fifo().is_some() && first.fifo() == same.fifo());
    assert_eq!(named.listed(Kind::Channel).fifo(), first.fifo());
    std::fs::remove_file(named.listed(Kind::Channel).path()).unwrap();
    assert_eq!(named.listed(Kind::Channel).fifo(), None);
    assert_ne!(named.open(None).unwrap().fifo(), first.fifo());
    named.write(0, b"r");
    assert_eq!(named.listed(Kind::Channel).fifo(), None, "damaged");
}

#[test]
fn an_anonymous_segment_has_no_name() {
    let segment = Segment::anonymous(shape(page_bytes()), |_| Ok(())).unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let address = format!("{:x}-", segment.content().as_ptr() as usize - CONTENT_AT);
    let line = maps.lines().find(|line| line.starts_with(&address)).unwrap();
    assert!(line.ends_with("/memfd:rustdaemon (deleted)"), "{line}");
}

#[test]
fn two_that_open_a_name_share_it_and_one_has_filled_it() {
    let named = Named::new();
    let first = named.open(None).unwrap();
    let second = named.open(None).unwrap();
    assert!(first.was_made() && !second.was_made());
    assert_eq!(second.ring_bytes(), 2 * page_bytes());
    assert_eq!(word(second.content()).fetch_add(1, Ordering::Relaxed), 7);
    assert_eq!(word(first.content()).load(Ordering::Relaxed), 8);
    let mode = std::fs::metadata(named.listed(Kind::Channel).path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn of_many_that_make_a_name_at_once_one_does() {
    let named = Named::new();
    let made: usize = std::thread::scope(|scope| {
        let open = || usize::from(named.open(None).unwrap().was_made());
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(made, 1);
}

#[test]
fn a_maker_whose_content_fails_leaves_no_name() {
    let named = Named::new();
    let failed =
        Segment::open(&named.0, Kind::Channel, 64, None, page_bytes(), |_| Err(io::ErrorKind::Other.into()));
    assert!(failed.is_err());
    assert!(!named.listed(Kind::Channel).path().exists());
}

#[test]
fn another_size_is_refused_with_the_one_that_is_there() {
    let named = Named::new();
    let _segment = named.open(Some(page_bytes())).unwrap();
    named.open(Some(page_bytes())).unwrap();
    let refusal = named.open(Some(3 * page_bytes())).unwrap_err();
    assert!(matches!(refusal, Refusal::OtherSize(_, found) if found == page_bytes()), "{refusal}");
}

#[test]
fn each_flipped_bit_of_the_header_is_refused() {
    let named = Named::new();
    drop(named.open(None).unwrap());
    let whole = named.header();
    for bit in 0..size_of::<Header>() * 8 {
        let mut bytes = whole.bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        named.write(0, &bytes);
        assert!(named.open(None).is_err(), "bit {bit}");
    }
    named.write(0, whole.bytes());
    named.open(None).unwrap();
}

#[test]
fn a_foreign_segment_is_refused_with_its_reason() {
    type Case = (fn(&mut Header), &'static str);
    let cases: [Case; 8] = [
        (|header| header.magic = *b"ELF_____", "no segment of rustdaemon's"),
        (|header| header.version = 0, "another version of rustdaemon (format 0, this one knows 2)"),
        (|header| header.c_library[..5].copy_from_slice(b"musl\0"), "another C library (musl and a mutex of"),
        (|header| header.mutex_bytes += 8, "another C library"),
        (|header| header.pid_namespace += 1, "another PID namespace"),
        (|header| header.kind = 2, "is a lock and no channel"),
        (|header| header.content_bytes += 8, "another layout"),
        (|header| header.ring_bytes *= 2, "which its header does not say"),
    ];
    for (change, reason) in cases {
        let named = Named::new();
        drop(named.open(None).unwrap());
        named.change(change);
        let sentence = named.refusal(None);
        assert!(sentence.contains(reason), "{sentence}");
        assert!(sentence.contains(named.0.as_str()), "{sentence}");
    }
}

#[test]
fn what_is_no_segment_is_refused() {
    let named = Named::new();
    let path = named.listed(Kind::Channel).path();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert!(named.refusal(None).contains("symbolic link"));
    std::fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(named.refusal(None).contains("is a FIFO and no segment of rustdaemon's: remove it"));
    std::fs::remove_file(&path).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(named.refusal(None).contains("is a socket and no segment"));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let refusal = named.open(None).unwrap_err();
    std::fs::remove_dir(&path).unwrap();
    assert!(
        matches!(refusal, Refusal::Foreign(why) if why.ends_with("is a directory and no segment of rustdaemon's: remove it"))
    );
    std::fs::write(&path, "short").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(named.refusal(None).contains("no segment of rustdaemon's"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(named.refusal(None).contains("not a file of mode 0600"));
}

#[test]
fn a_truncated_segment_is_refused_to_who_comes_later() {
    let named = Named::new();
    drop(named.open(None).unwrap());
    let file = std::fs::OpenOptions::new().write(true).open(named.listed(Kind::Channel).path()).unwrap();
    file.set_len(4096).unwrap();
    assert!(named.refusal(None).contains("which its header does not say"));
}

#[test]
fn another_users_segment_is_refused() {
    let named = Named::new();
    drop(named.open(None).unwrap());
    let other = Some(nix::unistd::Uid::from_raw(12345));
    if nix::unistd::chown(&named.listed(Kind::Channel).path(), other, None).is_err() {
        eprintln!("not run: only root can give a file away");
        return;
    }
    let remedy = "take another name, or let uid 12345 or root remove it";
    let sentence = named.refusal(None);
    assert!(sentence.contains("belongs to uid 12345") && sentence.ends_with(remedy), "{sentence}");
    let path = named.listed(Kind::Channel).path();
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    nix::unistd::chown(&path, other, None).unwrap();
    let sentence = named.refusal(None);
    std::fs::remove_dir(&path).unwrap();
    assert!(sentence.contains("is a directory") && sentence.ends_with(remedy), "{sentence}");
}

/// In a forked child: what changes the whole process is no other test's.
#[track_caller]
fn in_child(holds: impl FnOnce() -> bool) {
    // SAFETY: the child calls what the test needs, and ends without the harness.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => sys::exit_at_once(i32::from(!holds())),
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
        }
    }
}

#[test]
fn no_umask_changes_who_may_open_it() {
    use nix::sys::stat::{Mode, umask};
    for mask in [0o777, 0o277, 0] {
        let named = Named::new();
        in_child(|| {
            umask(Mode::from_bits_truncate(mask));
            named.open(None).is_ok()
        });
        let mode = std::fs::metadata(named.listed(Kind::Channel).path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "with a umask of {mask:04o}");
    }
}

#[test]
fn a_limit_on_file_sizes_is_an_error_and_no_death() {
    use nix::sys::resource::{Resource, setrlimit};
    let named = Named::new();
    let is_said = |made: Result<Segment, Refusal>| {
        matches!(&made, Err(Refusal::System(why, error)) if error.raw_os_error() == Some(libc::EFBIG)
            && why.contains("at most 8192 bytes (RLIMIT_FSIZE, ulimit -f): raise the limit"))
    };
    in_child(|| {
        setrlimit(Resource::RLIMIT_FSIZE, 8192, 8192).unwrap();
        is_said(Segment::anonymous(shape(4 * page_bytes()), |_| Ok(())))
            && is_said(named.open(Some(4 * page_bytes())))
    });
    assert!(!named.listed(Kind::Channel).path().exists());
}

#[test]
fn without_proc_it_is_said_what_is_missing() {
    let root = Path::new("/sys/kernel"); // without /proc and /dev in it
    if !nix::unistd::geteuid().is_root() || !root.is_dir() {
        eprintln!("not run: only root can chroot");
        return;
    }
    in_child(|| {
        nix::unistd::chroot(root).unwrap();
        nix::unistd::chdir("/").unwrap();
        let refusal = Segment::anonymous(shape(page_bytes()), |_| Ok(())).unwrap_err().to_string();
        refusal.contains("/proc/self/ns/pid") && refusal.contains("mount a proc file system at /proc")
    });
}

#[test]
fn who_has_it_mapped_uses_it_until_the_last_mapping_ends() {
    let named = Named::new();
    let listed = named.listed(Kind::Channel);
    // Children that other tests fork meanwhile have it mapped, too, until they end.
    let is_used_no_more = || {
        let until = sys::monotonic() + std::time::Duration::from_secs(20);
        while listed.is_used() != Some(false) && sys::monotonic() < until {
            std::thread::yield_now();
        }
        listed.is_used() == Some(false)
    };
    assert_eq!(listed.is_used(), None, "it is not there");
    let made = named.open(None).unwrap();
    assert_eq!(listed.is_used(), Some(true));
    let (mut reader, mut writer) = io::pipe().unwrap();
    // SAFETY: as above.
    let child = match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            drop(writer);
            let _ = io::Read::read(&mut reader, &mut [0]);
            sys::exit_at_once(0)
        }
        ForkResult::Parent { child } => child,
    };
    drop(made);
    assert_eq!(listed.is_used(), Some(true), "by a forked child, which has opened nothing");
    io::Write::write_all(&mut writer, b".").unwrap();
    waitpid(child, None).unwrap();
    assert!(is_used_no_more());
    let found = named.open(None).unwrap();
    assert!(!found.was_made() && listed.is_used() == Some(true), "also by who has not made it");
    drop(found);
    assert!(is_used_no_more());
}

#[test]
fn more_than_dev_shm_holds_is_refused_at_once() {
    let named = Named::new();
    let sentence = named.refusal(Some(1 << 46));
    assert!(sentence.contains("70368744177664") || sentence.contains("70368744181"), "{sentence}");
    assert!(!named.listed(Kind::Channel).path().exists());
}

#[test]
fn names_are_checked_and_read_back_from_file_names() {
    for good in ["a", "opcua.queue-1_B", &"x".repeat(LONGEST_NAME)] {
        let listed = Listed::own(Kind::Lock, Name::parse(good.as_bytes()).unwrap());
        let file = listed.path();
        assert_eq!(Listed::parse(file.file_name().unwrap().to_str().unwrap()), Some(listed));
    }
    for bad in ["", ".", "..", ".x", "a/b", "a b", "ä", "a\0", "a:fifo", &"x".repeat(LONGEST_NAME + 1)] {
        let sentence = Name::parse(bad.as_bytes()).unwrap_err();
        assert!(sentence.contains("the first no dot"), "{sentence}");
    }
    let fifo = |file: &str| {
        Listed::parse_fifo(file).map(|listed| (listed.uid, listed.kind, listed.name.as_str().to_owned()))
    };
    for file in ["rustdaemon-7-channel-a.b-c:fifo-00000000000000ff", "rustdaemon-7-channel-a.b-c:fifo"] {
        assert_eq!(fifo(file), Some((7, Kind::Channel, "a.b-c".to_owned())), "{file}");
    }
    for foreign in ["rustdaemon-7-channel-a", "rustdaemon-7-channel-:fifo-1", "a:fifo", ":fifo"] {
        assert_eq!(fifo(foreign), None, "{foreign}");
    }
    let long = Name::parse("x".repeat(LONGEST_NAME + 1).as_bytes()).unwrap_err();
    assert!(long.contains("101 bytes") && !long.contains(&"x".repeat(LONGEST_NAME)), "{long}");
    for foreign in [
        "sem.x",
        "rustdaemon-0-channel",
        "rustdaemon-x-lock-a",
        "rustdaemon-0-queue-a",
        "rustdaemon-007-lock-a",
        "rustdaemon-0-channel-a:fifo",
    ] {
        assert_eq!(Listed::parse(foreign), None, "{foreign}");
    }
}
