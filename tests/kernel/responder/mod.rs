//! A TUN device with addresses that each answer in a different way: the whole of 10.10.0.0/16 and fd10::/64.
//!
//! The third octet (the seventh group of IPv6) says how an address answers, the fourth (the eighth) is a number for that:
//! see [`answers`]. Packets are made here octet by octet, without the library's own encoders.

pub mod answers;
mod packets;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Answers forever; prints a line when it begins.
pub fn serve(ready: impl FnOnce()) {
    let setup = "ip address add 10.10.0.1/16 dev tun0; ip address add fd10::1/64 dev tun0 nodad; ip link set tun0 up";
    work(open_tun(setup), ready, answers::to);
}

/// What is routed into the device comes out of it again, a while later.
pub fn detour(delay: Duration, ready: impl FnOnce()) {
    work(open_tun("ip link set tun0 up"), ready, |packet| vec![(delay, packet.to_vec())]);
}

fn work(mut tun: File, ready: impl FnOnce(), answers: impl Fn(&[u8]) -> Vec<(Duration, Vec<u8>)>) {
    ready();
    let mut due: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>> = BinaryHeap::new();
    let mut numbered = 0;
    let mut buffer = vec![0; 65_536];
    loop {
        let now = Instant::now();
        while let Some(Reverse((_, _, packet))) =
            due.peek().is_some_and(|next| next.0.0 <= now).then(|| due.pop()).flatten()
        {
            // The kernel refuses what is no IP packet at all; that too is an answer.
            let _ = tun.write(&packet);
        }
        let wait = due.peek().map(|next| next.0.0.saturating_duration_since(Instant::now()));
        let limit = wait.map(|wait| Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() });
        let mut poll_fd = [PollFd::new(&tun, PollFlags::IN)];
        if poll(&mut poll_fd, limit.as_ref()).unwrap_or(0) == 0 {
            continue;
        }
        let length = tun.read(&mut buffer).expect("a TUN device that can be read");
        let arrived = Instant::now();
        for (delay, packet) in answers(&buffer[..length]) {
            numbered += 1;
            due.push(Reverse((arrived + delay, numbered, packet)));
        }
    }
}

/// Makes the device, and sets it up.
fn open_tun(setup: &str) -> File {
    #[repr(C)]
    struct Request {
        name: [u8; libc::IFNAMSIZ],
        flags: libc::c_short,
        rest: [u8; 22],
    }
    let tun = OpenOptions::new().read(true).write(true).open("/dev/net/tun").expect("/dev/net/tun");
    let mut name = [0; libc::IFNAMSIZ];
    name[..4].copy_from_slice(b"tun0");
    let request = Request { name, flags: (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short, rest: [0; 22] };
    // SAFETY: netdevice(7): these calls take a pointer to a `struct ifreq`, of which `Request` has size and layout (16 octets
    // of name, then flags); it lives until the call returns, and the descriptor is open.
    let made = unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, &raw const request) };
    assert_eq!(made, 0, "TUNSETIFF: {}", std::io::Error::last_os_error());
    assert!(Command::new("sh").args(["-ec", setup]).status().is_ok_and(|status| status.success()), "{setup}");
    tun
}

/// Later than a short wait, but short enough for tests.
pub const LATE: Duration = Duration::from_millis(400);
