//! Live views on a terminal of their own.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use netprobe::ping::Event;
use netprobe::recording::{Reader, Unpacker};

const LIMIT: Duration = Duration::from_secs(20);

/// A terminal with a program on it; all that the program writes is read, unless that is held.
struct Terminal {
    ours: OwnedFd,
    screen: Arc<Mutex<Vec<u8>>>,
    /// Whether nothing is read for now.
    held: Arc<AtomicBool>,
    program: Child,
    modes: (u32, u32),
}

impl Drop for Terminal {
    /// A test that fails leaves nothing running.
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

impl Terminal {
    fn run(program: &str, arguments: &[&str]) -> Terminal {
        let (mut master, mut slave) = (-1, -1);
        let size = libc::winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: openpty(3) stores two descriptors that nothing else owns; name and modes may be null, the size is only read.
        let opened =
            unsafe { libc::openpty(&raw mut master, &raw mut slave, ptr::null_mut(), ptr::null(), &raw const size) };
        assert_eq!(opened, 0, "{}", io::Error::last_os_error());
        // SAFETY: as above.
        let (mut master, slave) = unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
        let modes = modes(&slave);
        let stream = || slave.try_clone().unwrap();
        let mut command = Command::new(program);
        command.args(arguments).env("TERM", "xterm").env("LANG", "C.UTF-8");
        command.stdin(stream()).stdout(stream()).stderr(stream());
        // SAFETY: setsid(2) and ioctl(2) may be called between fork and exec; neither allocates.
        let program = unsafe {
            command.pre_exec(|| {
                let done = libc::setsid() >= 0 && libc::ioctl(0, libc::TIOCSCTTY, 0) == 0;
                if done { Ok(()) } else { Err(io::Error::last_os_error()) }
            })
        };
        let program = program.spawn().unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let held = Arc::new(AtomicBool::new(false));
        let (written, holds) = (Arc::clone(&screen), Arc::clone(&held));
        std::thread::spawn(move || {
            let mut octets = [0; 4096];
            while let Ok(length @ 1..) = master.read(&mut octets) {
                written.lock().unwrap().extend_from_slice(&octets[..length]);
                while holds.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
            }
        });
        Terminal { ours: slave, screen, held, program, modes }
    }

    /// Reads no more, and ends when the terminal takes no more: each new size is a whole picture.
    fn hold(&self) {
        self.held.store(true, Ordering::Relaxed);
        let (until, mut columns) = (Instant::now() + LIMIT, 80);
        let mut room = libc::pollfd { fd: self.ours.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
        // SAFETY: poll(2) reads and writes one structure, which outlives the call.
        while unsafe { libc::poll(&raw mut room, 1, 50) } > 0 {
            assert!(Instant::now() < until, "the terminal takes everything");
            columns = 280 - columns;
            let size = libc::winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            // SAFETY: ioctl_tty(2): TIOCSWINSZ reads a structure.
            assert_eq!(unsafe { libc::ioctl(self.ours.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }, 0);
        }
    }

    fn read_on(&self) {
        self.held.store(false, Ordering::Relaxed);
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    fn until(&self, wanted: &str) {
        let until = Instant::now() + LIMIT;
        while !self.text().contains(wanted) {
            assert!(Instant::now() < until, "{wanted:?} is missing in {:?}", self.text());
            std::thread::yield_now();
        }
    }
}

/// Local and output modes.
fn modes(terminal: &OwnedFd) -> (u32, u32) {
    let mut modes = MaybeUninit::<libc::termios>::uninit();
    // SAFETY: tcgetattr(3) stores the modes, which are read if it succeeds.
    let modes = unsafe {
        assert_eq!(libc::tcgetattr(terminal.as_raw_fd(), modes.as_mut_ptr()), 0);
        modes.assume_init()
    };
    (modes.c_lflag, modes.c_oflag)
}

/// Ends a view that shows `shown` by every signal, and finds `report` on the terminal after it.
fn ends_in_order(program: &str, arguments: &[&str], (shown, report): (&str, &str)) {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGSEGV, libc::SIGABRT] {
        let mut terminal = Terminal::run(program, arguments);
        terminal.until(shown);
        assert_ne!(modes(&terminal.ours), terminal.modes);
        // SAFETY: kill(2) takes no pointer; the child is not waited for yet, so that its number is its own.
        assert_eq!(unsafe { libc::kill(terminal.program.id() as i32, signal) }, 0);
        let status = terminal.program.wait().unwrap();
        terminal.until("\x1b[?1049l");
        assert_eq!(modes(&terminal.ours), terminal.modes, "signal {signal}");
        if matches!(signal, libc::SIGSEGV | libc::SIGABRT) {
            assert_eq!(status.signal(), Some(signal));
            continue;
        }
        // The report stays.
        assert_eq!(status.code(), Some(0), "signal {signal}");
        terminal.until(report);
    }
}

#[test]
fn every_signal_that_ends_a_live_view_leaves_the_terminal_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    for (program, run, shown) in [
        (env!("CARGO_BIN_EXE_rtrace"), "--live=plain -c 1", ("reached", "1.|-- 127.0.0.1")),
        (env!("CARGO_BIN_EXE_rping"), "-c 1", ("up since", "--- 127.0.0.1 ping statistics ---")),
    ] {
        ends_in_order(program, &["--live", "-n", "127.0.0.1"], shown);
        let file = folder.path().join(shown.0).display().to_string();
        let recorded = Command::new(program).args(run.split(' ')).args(["-n", "--record", &file, "127.0.0.1"]).output();
        assert!(recorded.unwrap().status.success());
        ends_in_order(program, &["--replay", &file, "--live", "-n"], shown);
    }
}

#[test]
fn a_terminal_that_reads_again_after_a_view_was_left_is_restored_before_the_report() {
    let mut terminal = Terminal::run(env!("CARGO_BIN_EXE_rtrace"), &["--live", "-n", "127.0.0.1"]);
    terminal.until("reached");
    terminal.hold();
    // SAFETY: as above.
    assert_eq!(unsafe { libc::kill(terminal.program.id() as i32, libc::SIGTERM) }, 0);
    // Restoring gives the modes back when it has given up writing.
    let until = Instant::now() + LIMIT;
    while modes(&terminal.ours) != terminal.modes {
        assert!(Instant::now() < until, "the modes are not restored");
        std::thread::yield_now();
    }
    assert!(!terminal.text().contains("\x1b[?1049l"));
    terminal.read_on();
    assert_eq!(terminal.program.wait().unwrap().code(), Some(0));
    terminal.until("1.|-- 127.0.0.1");
    let text = terminal.text();
    let (left, report) = (text.rfind("\x1b[?1049l").unwrap(), text.rfind("1.|-- 127.0.0.1").unwrap());
    assert!(left < report && text.matches("\x1b[?1049l").count() == 1, "{text:?}");
}

#[test]
fn probes_leave_in_their_slots_beside_a_terminal_that_does_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    let run = ["--live", "-n", "-i", "0.2", "-c", "30", "--record", file.to_str().unwrap(), "127.0.0.1"];
    let mut terminal = Terminal::run(env!("CARGO_BIN_EXE_rping"), &run);
    terminal.until("up since");
    terminal.hold();
    let until = Instant::now() + LIMIT;
    let (sent, summary) = loop {
        let (mut sent, mut summary) = (Vec::new(), None);
        let reader = File::open(&file).map(|file| Reader::open(BufReader::new(Unpacker::new(BufReader::new(file)))));
        let events = reader.unwrap().map(|mut reader| reader.events::<Event>().map_while(Result::ok).collect());
        for (_, event) in events.unwrap_or_else(|_| Vec::new()) {
            match event {
                Event::Probe(event) => sent.push(event.sent.as_nanos()),
                Event::Ended(ended) => summary = Some(ended),
                _ => {}
            }
        }
        match summary {
            Some(summary) => break (sent, summary),
            None => assert!(Instant::now() < until, "{} probes, and no end", sent.len()),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!((summary.counts.sent, summary.counts.skipped, sent.len()), (30, 0, 30));
    let slots: Vec<u64> = sent.iter().map(|at| (at - sent[0] + 100_000_000) / 200_000_000).collect();
    assert_eq!(slots, (0..30).collect::<Vec<_>>());
    terminal.read_on();
    assert_eq!(terminal.program.wait().unwrap().code(), Some(0));
}
