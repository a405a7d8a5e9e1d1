//! The crash mark: one byte on disk that says the host died of a fault of its own.
//!
//! A run that was alone when the host died with a mark is suspected of it; a power cut or a kill
//! leaves no mark and blames nobody. Not here: what follows for the run, which is the queue's.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::IntoRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

/// The file in the data folder.
pub const FILE: &str = "crash-mark";

const SIGNALS: [i32; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGABRT];

/// The open file that the handlers write to; -1 before [`arm`].
static MARK: AtomicI32 = AtomicI32::new(-1);
/// What handled each of [`SIGNALS`] before.
static PREVIOUS: OnceLock<[libc::sigaction; 4]> = OnceLock::new();

/// Lets the fault handlers set the mark in the data folder. Called once the store has read and cleared
/// the one of the process before.
///
/// # Errors
///
/// The file cannot be opened or made; faults are then not marked.
pub fn arm(data: &Path) -> io::Result<()> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(data.join(FILE))?;
    let old = MARK.swap(file.into_raw_fd(), Ordering::Release);
    // Tests have several; which of them is marked is nothing to them.
    debug_assert!(old == -1 || cfg!(test), "one host in one process");
    Ok(())
}

/// Installs the handlers of faults.
///
/// Must come before the engine is made: the engine's own handler, installed later, turns a guest's
/// faults into traps and passes only faults that are no guest's on to these.
///
/// # Errors
///
/// The system refused; faults are then not marked.
pub fn install() -> io::Result<()> {
    let mut failed = None;
    PREVIOUS.get_or_init(|| {
        SIGNALS.map(|signal| {
            // SAFETY: a zeroed sigaction is a valid one (default action, empty mask), and both
            // pointers are to live values of the right type.
            unsafe {
                let mut previous: libc::sigaction = std::mem::zeroed();
                let mut ours: libc::sigaction = std::mem::zeroed();
                ours.sa_sigaction = on_fault as *const () as usize;
                ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                if libc::sigaction(signal, std::ptr::null(), &raw mut previous) != 0
                    || libc::sigaction(signal, &raw const ours, std::ptr::null_mut()) != 0
                {
                    failed = Some(io::Error::last_os_error());
                }
                previous
            }
        })
    });
    failed.map_or(Ok(()), Err)
}

/// Sets the mark, then does what would have been done without it. Only calls that are safe in a
/// signal handler: `write`, `sigaction`, `raise`.
extern "C" fn on_fault(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let mark = MARK.load(Ordering::Acquire);
    if mark >= 0 {
        // SAFETY: the descriptor is open as long as the process lives, and the buffer is static.
        unsafe { libc::write(mark, b"!".as_ptr().cast(), 1) };
    }
    let index = SIGNALS.iter().position(|known| *known == signal);
    // A signal that a process sent (codes up to zero) faults no second time: a handler that resets the
    // action and returns, as the one before this does, would let the host go on with its mark set.
    // SAFETY: the system hands over a valid `siginfo_t`.
    let sent = unsafe { (*info).si_code } <= 0;
    let previous = index.filter(|_| !sent).and_then(|index| PREVIOUS.get().map(|all| all[index]));
    match previous {
        Some(previous) if previous.sa_sigaction != libc::SIG_DFL && previous.sa_sigaction != libc::SIG_IGN => {
            // SAFETY: it was installed as a handler of this kind, as its flags say.
            unsafe {
                if previous.sa_flags & libc::SA_SIGINFO != 0 {
                    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                        std::mem::transmute(previous.sa_sigaction);
                    handler(signal, info, context);
                } else {
                    let handler: extern "C" fn(i32) = std::mem::transmute(previous.sa_sigaction);
                    handler(signal);
                }
            }
        }
        // SAFETY: the default action is always valid. The raised signal is blocked until this
        // returns, and then ends the process, whether a fault or another process sent the first one.
        _ => unsafe {
            let mut default: libc::sigaction = std::mem::zeroed();
            default.sa_sigaction = libc::SIG_DFL;
            libc::sigaction(signal, &raw const default, std::ptr::null_mut());
            libc::raise(signal);
        },
    }
}

/// Switches core dumps off: they would hold every secret in memory.
///
/// # Errors
///
/// The system refused.
pub fn no_core_dumps() -> io::Result<()> {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Core, none).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    const CHILD: &str = "JACKFIELD_TEST_CRASH";

    /// Not a test of its own: the child process that the tests below let die.
    #[test]
    fn child() {
        let Some((_, how)) = std::env::vars_os().find(|(name, _)| name == CHILD) else { return };
        let how = how.into_string().unwrap();
        let (how, data) = how.split_once(':').unwrap();
        install().unwrap();
        no_core_dumps().unwrap();
        arm(Path::new(data)).unwrap();
        match how {
            "abort" => std::process::abort(),
            // SAFETY: none; this is the fault.
            "segv" => unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) },
            "raise" => {
                // SAFETY: raising a signal is always allowed.
                unsafe { libc::raise(libc::SIGILL) };
            }
            "sent" => {
                // SAFETY: as above.
                unsafe { libc::raise(libc::SIGSEGV) };
            }
            "kill" => {
                // SAFETY: as above.
                unsafe { libc::raise(libc::SIGKILL) };
            }
            "exit" => std::process::exit(0),
            other => panic!("{other}"),
        }
    }

    #[track_caller]
    fn dies(how: &str, signal: Option<i32>, marked: bool) {
        let data = tempfile::tempdir().unwrap();
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash_mark::tests::child", "--test-threads=1", "-q"])
            .env(CHILD, format!("{how}:{}", data.path().display()))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.signal(), signal, "{how}: {status}");
        assert!(!status.core_dumped(), "{how}");
        assert_eq!(std::fs::metadata(data.path().join(FILE)).unwrap().len() > 0, marked, "{how}");
    }

    #[test]
    fn threat_052_a_fault_is_marked_and_leaves_no_core() {
        dies("abort", Some(libc::SIGABRT), true);
        dies("segv", Some(libc::SIGSEGV), true);
        dies("raise", Some(libc::SIGILL), true);
        dies("sent", Some(libc::SIGSEGV), true);
    }

    #[test]
    fn a_kill_or_an_exit_is_not_marked() {
        dies("kill", Some(libc::SIGKILL), false);
        dies("exit", None, false);
    }
}
