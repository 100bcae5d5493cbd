//! System calls as they are used here.

use std::os::fd::AsFd;
use std::process::Command;

use super::*;

#[test]
fn every_descriptor_is_close_on_exec_at_birth() {
    let pipe = pipe().unwrap();
    let event = event_fd().unwrap();
    let memory = sealed_memory(c"test", 4096).unwrap();
    let pidfd = pidfd_open(i32::try_from(std::process::id()).unwrap()).unwrap();
    for fd in [&pipe.read, &pipe.write, &event, &memory, &pidfd] {
        assert!(is_close_on_exec(fd.as_fd()).unwrap());
    }
}

#[test]
fn a_process_knows_its_own_name() {
    let own = command_name(i32::try_from(std::process::id()).unwrap()).unwrap();
    assert!(!own.is_empty() && !own.ends_with('\n'));
    assert_eq!(command_name(-1), None);
    assert_eq!(send_signal(i32::MAX, 0, None).unwrap_err().raw_os_error(), Some(libc::ESRCH));
}

#[test]
fn memory_that_may_be_written_is_told_from_what_may_not() {
    static CONSTANT: [u8; 64] = [7; 64];
    let on_the_stack = 0_u8;
    let writable = |address: usize| writable_memory().iter().any(|range| range.contains(&address));
    assert!(writable((&raw const on_the_stack).addr()));
    assert!(!writable((&raw const CONSTANT).addr()));
    assert_eq!(writable_range("7f0a10-7f0b20 rw-p 00000000 00:00 0"), Some(0x7f_0a10..0x7f_0b20));
    assert_eq!(writable_range("7f0a10-7f0b20 r--p 00000000 08:01 5 /lib/x.so"), None);
    assert_eq!(writable_range("no map"), None);
}

#[test]
fn sealed_memory_cannot_change_its_size() {
    let fd = sealed_memory(c"test", 4096).unwrap();
    assert!(nix::unistd::ftruncate(&fd, 0).is_err());
    assert!(nix::unistd::ftruncate(&fd, 8192).is_err());
    assert!(Mapping::of_sealed(fd.as_fd(), 8192).is_err(), "another size than the file's is refused");
    assert!(Mapping::of_sealed(pipe().unwrap().read.as_fd(), 4096).is_err(), "a pipe is refused");
}

#[test]
#[allow(clippy::zombie_processes, reason = "pidfd_reap is what reaps here")]
fn a_pidfd_tells_how_a_child_ended_once() {
    let child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
    let pidfd = pidfd_open(i32::try_from(child.id()).unwrap()).unwrap();
    assert_eq!(wait(&pidfd), ExitStatus::Code(7));
    assert_eq!(pidfd_reap(pidfd.as_fd()).unwrap(), Some(ExitStatus::Unknown), "the status is gone");
    assert_eq!(pidfd_send_signal(pidfd.as_fd(), 0).unwrap_err().raw_os_error(), Some(libc::ESRCH));
}

#[test]
#[allow(clippy::zombie_processes, reason = "pidfd_reap is what reaps here")]
fn a_pidfd_tells_the_signal_that_ended_a_child() {
    let child = Command::new("sleep").arg("60").spawn().unwrap();
    let pidfd = pidfd_open(i32::try_from(child.id()).unwrap()).unwrap();
    assert_eq!(pidfd_reap(pidfd.as_fd()).unwrap(), None);
    pidfd_send_signal(pidfd.as_fd(), libc::SIGKILL).unwrap();
    let status = wait(&pidfd);
    assert_eq!(status, ExitStatus::Signal { number: libc::SIGKILL, core: false });
    assert_eq!(status.to_string(), "killed by SIGKILL");
}

fn wait(pidfd: &OwnedFd) -> ExitStatus {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let ended = poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::from(10_000_u16));
    assert_eq!(ended, Ok(1), "the child has not ended within 10 s");
    pidfd_reap(pidfd.as_fd()).unwrap().unwrap()
}

#[test]
fn a_pending_size_signal_of_somebody_else_stays_pending() {
    // On a thread of its own: its mask is nobody else's.
    let is_pending = || {
        // SAFETY: plain data, filled by the call.
        unsafe {
            let mut pending: libc::sigset_t = std::mem::zeroed();
            libc::sigpending(&raw mut pending);
            libc::sigismember(&raw const pending, libc::SIGXFSZ) == 1
        }
    };
    let too_large = || Err::<(), _>(io::Error::from_raw_os_error(libc::EFBIG));
    let blocked = || SigSet::thread_get_mask().unwrap().contains(Signal::SIGXFSZ);
    let run = move || {
        assert!(!blocked());
        let raised = || {
            nix::sys::signal::raise(Signal::SIGXFSZ).unwrap();
            too_large()
        };
        assert_eq!(without_size_signal(raised).unwrap_err().raw_os_error(), Some(libc::EFBIG));
        assert!(!blocked() && !is_pending(), "the one that came with the call was taken");
        let mut set = SigSet::empty();
        set.add(Signal::SIGXFSZ);
        set.thread_block().unwrap();
        nix::sys::signal::raise(Signal::SIGXFSZ).unwrap();
        assert!(without_size_signal(too_large).is_err());
        assert!(blocked() && is_pending());
        assert_eq!(set.wait().unwrap(), Signal::SIGXFSZ);
    };
    std::thread::spawn(run).join().unwrap();
}
