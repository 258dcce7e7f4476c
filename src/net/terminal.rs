//! The terminal of a live view: raw mode, what the user types, its signals, and output that never blocks: [`Terminal`].
//!
//! Everything is opened before the process is confined. Output goes to an open file of its own, so that a terminal that does not
//! read stops nothing: the shell's open file would have to be made non-blocking for everybody who shares it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{self, OptionalActions, Termios};

use super::sys::fault;
use super::sys::signal::{self, TerminalSignal};

/// How long nothing is read after something was reported that could not be: it would be reported again at once.
const PAUSE: Duration = Duration::from_millis(10);
/// How long restoring waits for a terminal that does not read.
const PATIENCE: Duration = Duration::from_millis(300);
/// After this many times in which the terminal had room, and took nothing, restoring is given up.
const CONTRADICTIONS: u32 = 100;

/// What the end of a live view must undo; `None` where nothing is to be undone. Panics end anywhere, so this is the process's.
static UNDO: Mutex<Option<Undo>> = Mutex::new(None);

/// What of it was not written, as the terminal did not read.
static UNWRITTEN: Mutex<Option<(OwnedFd, &'static [u8])>> = Mutex::new(None);

struct Undo {
    output: OwnedFd,
    modes: Option<(OwnedFd, Termios)>,
    octets: &'static [u8],
}

/// The terminal of a live view.
#[derive(Debug)]
pub struct Terminal {
    output: OwnedFd,
    /// `None` where there is no terminal to read from.
    keys: Option<OwnedFd>,
    signals: OwnedFd,
    wake: Arc<OwnedFd>,
}

/// What [`Terminal::wait`] brought.
#[derive(Debug, Default)]
pub struct TerminalInput {
    /// What was typed.
    pub octets: Vec<u8>,
    /// Signals, in their order.
    pub signals: Vec<TerminalSignal>,
    /// Whether the terminal has room for output, if that was asked.
    pub room: bool,
    /// Whether the terminal has gone.
    pub gone: bool,
}

impl Terminal {
    /// The terminal on standard output, and the signals of terminals, which are blocked in this thread and in those it starts
    /// from now on.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open() -> io::Result<Terminal> {
        let flags = OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let stdout = io::stdout();
        // Of another user's terminal (after su) only the open file that was inherited can be had.
        let output = rustix::fs::open("/proc/self/fd/1", flags | OFlags::WRONLY, Mode::empty())
            .or_else(|_| stdout.as_fd().try_clone_to_owned())?;
        let keys = rustix::fs::open("/dev/tty", flags | OFlags::RDWR, Mode::empty()).ok();
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let failed = |error: crate::channel::ChannelError| io::Error::other(error.to_string());
        Ok(Terminal { output, keys, signals: signal::route_terminal().map_err(failed)?, wake: Arc::new(wake) })
    }

    /// Wakes [`Terminal::wait`] from another thread.
    pub fn waker(&self) -> impl Fn() + Send + Sync + 'static {
        let wake = Arc::clone(&self.wake);
        move || {
            let _ = rustix::io::write(&*wake, &1u64.to_ne_bytes());
        }
    }

    /// Columns and rows.
    pub fn size(&self) -> (u16, u16) {
        let size = termios::tcgetwinsize(&self.output).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        size.map_or((80, 24), |size| (size.ws_col, size.ws_row))
    }

    /// Every key is read as it is typed, without echo, until [`restore_terminal`], which writes `octets` too. It is armed first:
    /// there is no moment in which an end leaves the terminal in disorder.
    ///
    /// # Errors
    /// If the terminal refuses.
    pub fn enter(&self, octets: &'static [u8]) -> io::Result<()> {
        super::prepare_for_panics();
        let mut slot = undo_slot();
        // After a stop that could not be caught the terminal is entered already, in modes that are not the user's.
        if slot.is_none() {
            let modes = match &self.keys {
                Some(keys) => termios::tcgetattr(keys).ok().map(|modes| keys.try_clone().map(|keys| (keys, modes))),
                None => None,
            };
            let undo = Undo { output: self.output.try_clone()?, modes: modes.transpose()?, octets };
            fault::arm(undo.output.as_fd(), octets, undo.modes.as_ref().map(|(keys, _)| keys.as_fd()));
            *slot = Some(undo);
        }
        let Some((keys, modes)) = slot.as_ref().and_then(|undo| undo.modes.as_ref()) else { return Ok(()) };
        let mut raw = modes.clone();
        raw.make_raw();
        Ok(termios::tcsetattr(keys, OptionalActions::Now, &raw)?)
    }

    /// Writes as much as the terminal takes now.
    ///
    /// # Errors
    /// If the terminal has gone.
    pub fn write(&self, octets: &[u8]) -> io::Result<usize> {
        match rustix::io::write(&self.output, octets) {
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            written => Ok(written?),
        }
    }

    /// Waits for keys, signals, the waker, room to write if that is `wanted`, or the end of `limit`.
    pub fn wait(&self, limit: Duration, wanted: bool) -> TerminalInput {
        let mut input = TerminalInput::default();
        let out = if wanted { PollFlags::OUT } else { PollFlags::empty() };
        let mut watched = vec![
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(&*self.wake, PollFlags::IN),
            PollFd::new(&self.output, out),
        ];
        watched.extend(self.keys.iter().map(|keys| PollFd::new(keys, PollFlags::IN)));
        match poll(&mut watched, Some(&timespec(limit))) {
            Ok(_) | Err(Errno::INTR) => {}
            // Without it nothing is known of the terminal any more.
            Err(_) => return TerminalInput { gone: true, ..input },
        }
        let ready: Vec<PollFlags> = watched.iter().map(PollFd::revents).collect();
        let is_ready = |index: usize| ready.get(index).is_some_and(|flags| !flags.is_empty());
        input.room = ready.get(2).is_some_and(|flags| flags.contains(PollFlags::OUT));
        input.gone = ready.get(2).is_some_and(|flags| flags.intersects(PollFlags::HUP | PollFlags::ERR));
        let woken = is_ready(1) && rustix::io::read(&*self.wake, &mut [0; 8]).is_ok();
        if is_ready(0) {
            let mut record = [0; signal::RECORD_OCTETS];
            while let Ok(signal::RECORD_OCTETS) = rustix::io::read(&self.signals, &mut record) {
                input.signals.extend(signal::of_terminal(&record));
            }
        }
        if let Some(keys) = self.keys.as_ref().filter(|_| is_ready(3)) {
            input.gone |= read_keys(keys.as_fd(), &mut input.octets);
        }
        let anything = woken || input.gone || !input.signals.is_empty() || !input.octets.is_empty();
        if !anything && [0, 1, 3].into_iter().any(is_ready) {
            std::thread::sleep(PAUSE);
        }
        input
    }

    /// Stops the process, as Ctrl-Z does, until it is let go on; the terminal is as it was meanwhile.
    ///
    /// # Errors
    /// If the terminal cannot be entered again.
    pub fn suspend(&self, octets: &'static [u8]) -> io::Result<()> {
        restore_terminal();
        signal::stop();
        self.enter(octets)
    }
}

/// Reads what was typed. True if the terminal has gone.
fn read_keys(keys: BorrowedFd<'_>, octets: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 256];
    match rustix::io::read(keys, &mut buffer) {
        Ok(0) => true,
        Ok(length) => {
            octets.extend_from_slice(buffer.get(..length).unwrap_or_default());
            false
        }
        Err(Errno::AGAIN | Errno::INTR) => false,
        Err(_) => true,
    }
}

/// Gives the terminal back as it was before [`Terminal::enter`]; does nothing where there was none. May be called from a panic
/// hook of any thread.
pub fn restore_terminal() {
    let Some(Undo { output, modes, octets }) = undo_slot().take() else { return };
    fault::disarm();
    let (mut rest, mut contradictions) = (octets, 0);
    while !rest.is_empty() {
        match rustix::io::write(&output, rest) {
            Ok(length) => rest = rest.get(length..).unwrap_or_default(),
            Err(Errno::INTR) if contradictions < CONTRADICTIONS => contradictions += 1,
            Err(Errno::AGAIN) => {
                let ready = poll(&mut [PollFd::new(&output, PollFlags::OUT)], Some(&timespec(PATIENCE)));
                contradictions += 1;
                if !matches!(ready, Ok(1..)) || contradictions >= CONTRADICTIONS {
                    break;
                }
            }
            Err(_) => break,
        }
    }
    let unwritten = (!rest.is_empty()).then_some((output, rest));
    *UNWRITTEN.lock().unwrap_or_else(PoisonError::into_inner) = unwritten;
    if let Some((keys, modes)) = modes {
        let _ = termios::tcsetattr(&keys, OptionalActions::Now, &modes);
    }
}

/// Writes what [`restore_terminal`] could not, however long the terminal takes to read again: for those who write to it next, and would
/// wait for that anyway.
pub fn finish_restoring() {
    let unwritten = UNWRITTEN.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((output, mut rest)) = unwritten else { return };
    let mut contradictions = 0;
    while !rest.is_empty() && contradictions < CONTRADICTIONS {
        match rustix::io::write(&output, rest) {
            Ok(length) => rest = rest.get(length..).unwrap_or_default(),
            Err(Errno::INTR) => contradictions += 1,
            Err(Errno::AGAIN) => {
                contradictions += 1;
                let _ = poll(&mut [PollFd::new(&output, PollFlags::OUT)], None);
            }
            // It has gone.
            Err(_) => return,
        }
    }
}

fn undo_slot() -> std::sync::MutexGuard<'static, Option<Undo>> {
    UNDO.lock().unwrap_or_else(PoisonError::into_inner)
}

fn timespec(span: Duration) -> Timespec {
    Timespec { tv_sec: span.as_secs() as i64, tv_nsec: span.subsec_nanos().into() }
}
