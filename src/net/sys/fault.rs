//! Faults that end the process, such as SIGSEGV and SIGABRT: before they do, a terminal is put in order.
//!
//! What runs in the handler are calls that signal-safety(7) lists, and atomics.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicUsize, Ordering};
use std::{mem, ptr};

const FAULTS: [libc::c_int; 5] = [libc::SIGABRT, libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];
const NONE: i32 = -1;

/// Where to write what; `NONE` where nothing is to be done.
static OUTPUT: AtomicI32 = AtomicI32::new(NONE);
static OCTETS: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static LENGTH: AtomicUsize = AtomicUsize::new(0);
/// What each fault did before; null where it is not handled here.
static FORMER: [AtomicPtr<libc::sigaction>; FAULTS.len()] = [const { AtomicPtr::new(ptr::null_mut()) }; FAULTS.len()];
/// The terminal whose modes are set, and which; null where there are none.
static KEYS: AtomicI32 = AtomicI32::new(NONE);
static MODES: AtomicPtr<libc::termios> = AtomicPtr::new(ptr::null_mut());
/// What `MODES` points to: it is kept for good once it was read, since a handler may be reading it.
static KNOWN: Mutex<Option<&'static libc::termios>> = Mutex::new(None);

/// A fault from now on writes `octets` to `output` and gives `keys` the modes that it had the first time, before it ends the
/// process. Both must stay open until [`disarm`].
pub fn arm(output: BorrowedFd<'_>, octets: &'static [u8], keys: Option<BorrowedFd<'_>>) {
    if let Some(keys) = keys {
        let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.is_none() {
            // SAFETY: all fields of termios are numbers, for which zero is a value.
            let mut modes: libc::termios = unsafe { mem::zeroed() };
            // SAFETY: tcgetattr(3): "gets the parameters … and stores them in the termios structure", which outlives the call.
            if unsafe { libc::tcgetattr(keys.as_raw_fd(), &raw mut modes) } == 0 {
                *known = Some(Box::leak(Box::new(modes)));
            }
        }
        MODES.store(known.map_or(ptr::null_mut(), |modes| ptr::from_ref(modes).cast_mut()), Ordering::Relaxed);
        KEYS.store(keys.as_raw_fd(), Ordering::Relaxed);
        drop(known);
    }
    OCTETS.store(octets.as_ptr().cast_mut(), Ordering::Relaxed);
    LENGTH.store(octets.len(), Ordering::Relaxed);
    OUTPUT.store(output.as_raw_fd(), Ordering::Release);
    for (fault, former) in FAULTS.into_iter().zip(&FORMER) {
        if former.load(Ordering::Acquire).is_null() {
            handle_first(fault, former);
        }
    }
}

/// Handles this fault before its `former` action, which is kept for good.
fn handle_first(fault: libc::c_int, former: &AtomicPtr<libc::sigaction>) {
    // SAFETY: zero is a value of every field; the handler has the signature that it is called with by SA_SIGINFO. On the stack of
    // its own that every thread of this program has for it (SA_ONSTACK), an overflow of the stack is handled too.
    unsafe {
        let mut before: libc::sigaction = mem::zeroed();
        if libc::sigaction(fault, ptr::null(), &raw mut before) != 0 {
            return;
        }
        former.store(Box::into_raw(Box::new(before)), Ordering::Release);
        let mut action: libc::sigaction = mem::zeroed();
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = handle;
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaction(fault, &raw const action, ptr::null_mut());
    }
}

/// Nothing is to be done any more.
pub fn disarm() {
    OUTPUT.store(NONE, Ordering::Release);
}

/// What the kernel found, the former action has next: at the return from here the instruction that failed does so again, and the
/// standard library can say that the stack overflowed. A signal that was sent, as abort(3) does, is sent once more and ends the
/// process: the standard library would take no notice of the first one.
extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let output = OUTPUT.swap(NONE, Ordering::Acquire);
    if output != NONE {
        let (octets, length) = (OCTETS.load(Ordering::Relaxed), LENGTH.load(Ordering::Relaxed));
        let (keys, modes) = (KEYS.load(Ordering::Relaxed), MODES.load(Ordering::Relaxed));
        // SAFETY: write(2) and tcsetattr(3) are async-signal-safe; the octets are static, and the modes are never freed.
        unsafe {
            libc::write(output, octets.cast(), length);
            if !modes.is_null() {
                libc::tcsetattr(keys, libc::TCSANOW, modes);
            }
        }
    }
    let former = FAULTS.iter().zip(&FORMER).find(|(fault, _)| **fault == signal);
    let former = former.map_or(ptr::null_mut(), |(_, former)| former.load(Ordering::Acquire));
    // SAFETY: sigaction(2) and raise(3) are async-signal-safe; an action of zeros is SIG_DFL, the former one is never freed, and the
    // kernel gives the handler a valid siginfo_t, whose si_code is at most 0 for a signal that a process sent.
    unsafe {
        if (*info).si_code > 0 && !former.is_null() {
            libc::sigaction(signal, former, ptr::null_mut());
            return;
        }
        let usual: libc::sigaction = mem::zeroed();
        libc::sigaction(signal, &raw const usual, ptr::null_mut());
        libc::raise(signal);
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;
    use std::{env, hint, io};

    use super::*;

    const CHILD: &str = "NETPROBE_TEST_OVERFLOW";

    fn deeper(depth: u64) -> u64 {
        let page = hint::black_box([depth; 512]);
        if depth == u64::MAX { 0 } else { deeper(depth + 1) + page[0] }
    }

    #[test]
    fn an_overflow_of_the_stack_is_reported_after_the_terminal_is_in_order() {
        if env::var_os(CHILD).is_some() {
            arm(io::stderr().as_fd(), b"<in order>", None);
            hint::black_box(deeper(0));
        }
        let name = "net::sys::fault::tests::an_overflow_of_the_stack_is_reported_after_the_terminal_is_in_order";
        let child =
            Command::new(env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]).env(CHILD, "1").output();
        let child = child.unwrap();
        assert_eq!(child.status.signal(), Some(libc::SIGABRT));
        let talk = String::from_utf8_lossy(&child.stderr);
        let after = talk.split_once("<in order>").map(|(_, after)| after);
        assert!(after.is_some_and(|after| after.contains("has overflowed its stack")), "{talk}");
    }
}
