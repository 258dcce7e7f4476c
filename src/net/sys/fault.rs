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
    for fault in FAULTS {
        // SAFETY: zero is a value of every field; the handler has the signature that it is called with without SA_SIGINFO. On the
        // stack of its own that every thread of this program has for it (SA_ONSTACK), an overflow of the stack is handled too.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            let handler: extern "C" fn(libc::c_int) = handle;
            action.sa_sigaction = handler as libc::sighandler_t;
            action.sa_flags = libc::SA_RESETHAND | libc::SA_ONSTACK;
            libc::sigaction(fault, &raw const action, ptr::null_mut());
        }
    }
}

/// Nothing is to be done any more.
pub fn disarm() {
    OUTPUT.store(NONE, Ordering::Release);
}

/// By SA_RESETHAND the signal has its usual meaning again, and ends the process when it is let through: at the return from here.
extern "C" fn handle(signal: libc::c_int) {
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
    // SAFETY: raise(3) is async-signal-safe and takes no pointer.
    unsafe { libc::raise(signal) };
}
