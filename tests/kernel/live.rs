//! Live views on a terminal of their own.

use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command};
use std::ptr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

/// A terminal with a program on it; all that the program writes is read.
struct Terminal {
    ours: OwnedFd,
    screen: Arc<Mutex<Vec<u8>>>,
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
        let written = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut octets = [0; 4096];
            while let Ok(length @ 1..) = master.read(&mut octets) {
                written.lock().unwrap().extend_from_slice(&octets[..length]);
            }
        });
        Terminal { ours: slave, screen, program, modes }
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
