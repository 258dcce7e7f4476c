//! signalfd(2): signals as something to read.

use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, iter, ptr};

use rustix::event::{PollFd, PollFlags, poll};

use crate::channel::{ChannelError, Control};

/// The signals that are read, and what each asks for.
const CONTROLS: [(libc::c_int, Control); 4] = [
    (libc::SIGINT, Control::Interrupt),
    (libc::SIGTERM, Control::Terminate),
    (libc::SIGQUIT, Control::Interim),
    (libc::SIGUSR1, Control::Interim),
];

/// The signals of terminals, which a live view reads.
const OF_TERMINALS: [(libc::c_int, TerminalSignal); 5] = [
    (libc::SIGWINCH, TerminalSignal::Resized),
    (libc::SIGTSTP, TerminalSignal::Suspend),
    (libc::SIGCONT, TerminalSignal::Continued),
    (libc::SIGHUP, TerminalSignal::End),
    (libc::SIGQUIT, TerminalSignal::End),
];

/// What a signal of the terminal asks a live view for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminalSignal {
    /// Its size changed.
    Resized,
    /// The process is to stop.
    Suspend,
    /// It goes on after a stop.
    Continued,
    /// It is to end.
    End,
}

/// Blocks SIGINT, SIGTERM, SIGUSR1 and, unless a live view has the `screen`, SIGQUIT in this thread, and in those it starts from
/// now on, and opens a descriptor (non-blocking, close-on-exec) to read them from. A parent that had them ignored (a background
/// job of a shell) does not matter.
///
/// # Errors
/// If a call fails.
pub fn route(screen: bool) -> Result<OwnedFd, ChannelError> {
    let numbers = CONTROLS.into_iter().map(|(number, _)| number);
    routed(set_of(numbers.filter(|&number| !(screen && number == libc::SIGQUIT))))
}

/// The same for the signals of terminals.
///
/// # Errors
/// If a call fails.
pub fn route_terminal() -> Result<OwnedFd, ChannelError> {
    routed(set_of(OF_TERMINALS.into_iter().map(|(number, _)| number)))
}

/// Blocks SIGHUP in the same way. What is returned waits for the next one.
///
/// # Errors
/// If a call fails.
pub fn hangups() -> Result<impl FnMut() -> io::Result<()>, ChannelError> {
    let signals = routed(set_of([libc::SIGHUP].into_iter()))?;
    Ok(move || {
        poll(&mut [PollFd::new(&signals, PollFlags::IN)], None)?;
        rustix::io::read(&signals, &mut [0; RECORD_OCTETS])?;
        Ok(())
    })
}

/// A limit of file sizes (setrlimit(2), `RLIMIT_FSIZE`) is from now on an error of a write, and no longer the end of the process.
pub fn survive_file_limits() {
    // SAFETY: signal(2): "sets the disposition of the signal signum"; SIG_IGN is no function that could be called.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Stops the process until something lets it go on (SIGCONT).
pub fn stop() {
    // SAFETY: raise(3): "sends a signal to the calling process or thread"; it takes no pointer.
    unsafe { libc::raise(libc::SIGSTOP) };
}

fn routed(set: libc::sigset_t) -> Result<OwnedFd, ChannelError> {
    // SAFETY: pthread_sigmask(3): "If oldset is NULL, … the previous mask is not returned"; `set` is only read.
    let error = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) };
    if error != 0 {
        return Err(ChannelError { call: "pthread_sigmask", error: io::Error::from_raw_os_error(error).into() });
    }
    // SAFETY: signalfd(2): "The mask argument specifies the set of signals"; it is only read.
    let descriptor = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(ChannelError { call: "signalfd", error: io::Error::last_os_error().into() });
    }
    // SAFETY: signalfd(2): on success it "returns … a new file descriptor", which nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Whether SIGINT has been read, and whether SIGTERM or a second SIGINT has. Signals are the process's, and so are these.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static TERMINATED: AtomicBool = AtomicBool::new(false);

/// Whether the process is to end without waiting for the readers of its output: SIGTERM or a second SIGINT was read, or SIGTERM
/// or SIGINT waits to be read.
pub fn asked_to_end() -> bool {
    is_waiting() || TERMINATED.load(Ordering::Relaxed)
}

/// Whether SIGTERM or SIGINT waits to be read.
pub fn is_waiting() -> bool {
    let mut pending = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigpending(2): "The mask of pending signals is returned in set", which is written before it is read; `sigismember`
    // only reads it.
    unsafe {
        libc::sigpending(pending.as_mut_ptr()) == 0
            && [libc::SIGINT, libc::SIGTERM].iter().any(|&signal| libc::sigismember(pending.as_ptr(), signal) == 1)
    }
}

/// Does what nothing but a signal can cut short, such as a look-up of names: meanwhile they end the process, as they do where
/// nothing is routed. Nothing is known yet that would be worth a summary.
pub fn mortal<T>(work: impl FnOnce() -> T) -> T {
    let set = set_of(CONTROLS.into_iter().map(|(number, _)| number));
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: pthread_sigmask(3): "If oldset is non-NULL, the previous value of the signal mask is stored in oldset"; `set` is
    // only read. It fails only "if the value specified in how was invalid".
    let error = unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, before.as_mut_ptr()) };
    let done = work();
    if error == 0 {
        // SAFETY: as above; `before` was stored by the call above, which succeeded.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    }
    done
}

/// SIGINT and SIGTERM wait from now on, in this thread and in those it starts: [`asked_to_end`] says that they do.
///
/// # Errors
/// If they cannot be blocked.
pub fn hold() -> io::Result<()> {
    route(true).map(drop).map_err(|error| io::Error::other(error.to_string()))
}

/// Signals that wait since [`hold`] have done what they were to do; the next one ends the process. Returns whether one of them was
/// SIGTERM.
pub fn let_through() -> bool {
    let set = set_of([libc::SIGINT, libc::SIGTERM].into_iter());
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: sigtimedwait(2): `set` and `at_once` are only read; "info" may be null.
    let next = || unsafe { libc::sigtimedwait(&raw const set, ptr::null_mut(), &raw const at_once) };
    let terminated = iter::from_fn(|| Some(next()).filter(|&signal| signal > 0))
        .fold(false, |so_far, signal| so_far | (signal == libc::SIGTERM));
    let held = set_of(CONTROLS.into_iter().map(|(number, _)| number));
    // SAFETY: pthread_sigmask(3): "If oldset is NULL, … the previous mask is not returned"; `held` is only read.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const held, ptr::null_mut()) };
    terminated
}

/// Ends the process by the signal that asked for `control`, as if signals had never been routed; returns where no signal ends it.
pub fn die(control: &Control) {
    let signal = CONTROLS.iter().find(|(_, asked)| asked == control).map(|(signal, _)| *signal);
    mortal(|| {
        if let Some(signal) = signal {
            // SAFETY: raise(3): "sends a signal to the calling process or thread"; it takes no pointer.
            unsafe { libc::raise(signal) };
        }
    });
}

fn set_of(signals: impl Iterator<Item = libc::c_int>) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset(3): "initializes the signal set given by set to empty", so it is initialized from here on.
    let mut set = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    };
    for signal in signals {
        // SAFETY: sigaddset(3): "add … signal signum from set", which "must be initialized", as it is.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    set
}

/// Octets of one record read from the descriptor.
pub const RECORD_OCTETS: usize = size_of::<libc::signalfd_siginfo>();

/// The same of a signal of terminals.
pub fn of_terminal(record: &[u8; RECORD_OCTETS]) -> Option<TerminalSignal> {
    let number = number(record)?;
    OF_TERMINALS.into_iter().find(|(signal, _)| *signal == number).map(|(_, meaning)| meaning)
}

/// struct signalfd_siginfo starts with ssi_signo.
fn number(record: &[u8; RECORD_OCTETS]) -> Option<libc::c_int> {
    let (number, _) = record.split_first_chunk()?;
    libc::c_int::try_from(u32::from_ne_bytes(*number)).ok()
}

/// What the signal of one record asks for.
pub fn control(record: &[u8; RECORD_OCTETS]) -> Option<Control> {
    let number = number(record)?;
    if number == libc::SIGTERM || (number == libc::SIGINT && INTERRUPTED.swap(true, Ordering::Relaxed)) {
        TERMINATED.store(true, Ordering::Relaxed);
    }
    CONTROLS.into_iter().find(|(signal, _)| *signal == number).map(|(_, control)| control)
}
