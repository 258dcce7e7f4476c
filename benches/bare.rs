//! The limit that `rping` is measured against: a bare `sendmmsg`/`recvmmsg` loop over a raw ICMP socket, in batches of 64,
//! that matches nothing and keeps no statistics. IPv4, 56 octets of payload, one socket a thread.
//!
//! ```text
//! cargo bench --bench bare -- sweep 198.19.0.0/16 [--threads N]
//! cargo bench --bench bare -- send 198.19.0.0/16 [--ttls N] [--threads N]
//! cargo bench --bench bare -- flood 198.51.100.2 100000 [--window N] [--threads N]
//! ```
//! `sweep` sends one echo request to each address of the prefix; `send` does that alone, reads nothing and writes the IP headers
//! itself (with an Identification, which the kernel would have to choose), to each address with `--ttls` (1) TTLs: from 1 on, or
//! 64 if it is one; `flood` makes so many round trips to one address with at most `--window` (64) of them under way. Prints wall
//! and CPU time, sent, received. Needs root, and a lab: it has no pace.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, io, mem, ptr, thread};

/// Messages of one system call.
const BATCH: usize = 64;
/// ICMP header and payload.
const PACKET: usize = 8 + 56;
/// IPv4 header without options.
const HEADER: usize = 20;
/// Room for a reply with its IP header and options.
const ROOM: usize = 60 + PACKET;
/// Replies are waited for so long after the last one.
const PATIENCE_MS: libc::c_int = 1000;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    // Without a job, as `cargo test --benches` runs it, there is nothing to do.
    if arguments.is_empty() {
        eprintln!(
            "usage: bare sweep PREFIX [--threads N] | bare send PREFIX [--ttls N] [--threads N] | bare flood ADDRESS COUNT [--window N] [--threads N]"
        );
        return ExitCode::SUCCESS;
    }
    let Some((job, threads)) = parse(&arguments) else {
        eprintln!("bare: cannot read {arguments:?}");
        return ExitCode::from(2);
    };
    match run(job, threads) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bare: {error}");
            ExitCode::from(2)
        }
    }
}

/// What one thread is to do: echo request number n goes to `first` + n / `ttls` · `step`.
#[derive(Clone, Copy)]
struct Job {
    first: u32,
    step: u32,
    count: u64,
    window: u64,
    /// 0: the kernel writes the headers, and replies are read.
    ttls: u64,
}

fn parse(arguments: &[String]) -> Option<(Job, u64)> {
    let (mut plain, mut threads, mut window, mut ttls) = (Vec::new(), 1, None, 1);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--threads" => threads = rest.next()?.parse().ok().filter(|&threads| threads > 0)?,
            "--window" => window = Some(rest.next()?.parse().ok().filter(|&window| window > 0)?),
            "--ttls" => ttls = rest.next()?.parse().ok().filter(|ttls| (1..=255).contains(ttls))?,
            other => plain.push(other),
        }
    }
    let job = match plain[..] {
        ["sweep", prefix] => {
            let (first, count) = range(prefix)?;
            // Replies that were sent for nothing must not stop the rest of the sweep.
            Job { first, step: 1, count, window: window.unwrap_or(u64::MAX), ttls: 0 }
        }
        ["send", prefix] => {
            let (first, count) = range(prefix)?;
            Job { first, step: 1, count: count * ttls, window: u64::MAX, ttls }
        }
        ["flood", address, count] => {
            let first = address.parse::<Ipv4Addr>().ok()?.into();
            Job { first, step: 0, count: count.parse().ok()?, window: window.unwrap_or(BATCH as u64), ttls: 0 }
        }
        _ => return None,
    };
    Some((job, threads))
}

/// The first address of a prefix, and their number.
fn range(prefix: &str) -> Option<(u32, u64)> {
    let (address, bits) = prefix.split_once('/')?;
    let bits: u32 = bits.parse().ok().filter(|bits| (8..=32).contains(bits))?;
    Some((address.parse::<Ipv4Addr>().ok()?.into(), 1 << (32 - bits)))
}

fn run(job: Job, threads: u64) -> io::Result<()> {
    let began = Instant::now();
    let parts: Vec<_> = (0..threads)
        .map(|index| {
            let (from, to) = (job.count * index / threads, job.count * (index + 1) / threads);
            // A sweep's part starts where the one before ends.
            let first = job.first + job.step * (from / job.ttls.max(1)) as u32;
            let part = Job { first, count: to - from, ..job };
            thread::spawn(move || Loop::new(part, index as u16)?.run())
        })
        .collect();
    let (mut sent, mut received, mut last) = (0, 0, began);
    for part in parts {
        let done = part.join().map_err(|_| io::Error::other("a thread panicked"))??;
        (sent, received, last) = (sent + done.sent, received + done.received, last.max(done.last));
    }
    let wall = last.duration_since(began).as_secs_f64();
    let cpu = cpu_time().as_secs_f64();
    let per_second = (if job.ttls > 0 { sent } else { received }) as f64 / wall;
    println!("wall {wall:.4} s  cpu {cpu:.4} s  sent {sent}  received {received}  {per_second:.0}/s");
    Ok(())
}

struct Done {
    sent: u64,
    received: u64,
    /// When the last reply was there.
    last: Instant,
}

/// One thread's socket and memory. The message headers point into the boxes beside them.
struct Loop {
    socket: libc::c_int,
    job: Job,
    /// With headers, which only a job with TTLs sends.
    packets: Box<[[u8; HEADER + PACKET]; BATCH]>,
    names: Box<[libc::sockaddr_in; BATCH]>,
    _rooms: Box<[[u8; ROOM]; BATCH]>,
    _parts: Box<[[libc::iovec; BATCH]; 2]>,
    sends: Box<[libc::mmsghdr; BATCH]>,
    receives: Box<[libc::mmsghdr; BATCH]>,
}

impl Loop {
    fn new(job: Job, index: u16) -> io::Result<Loop> {
        let ident = (std::process::id() as u16).wrapping_add(index);
        // SAFETY: socketaddr, iovec, msghdr and mmsghdr are integers and pointers that may be NULL: ip(7), sendmsg(2).
        let (mut names, mut parts, mut sends, mut receives) = unsafe {
            (
                Box::<[libc::sockaddr_in; BATCH]>::new(mem::zeroed()),
                Box::<[[libc::iovec; BATCH]; 2]>::new(mem::zeroed()),
                Box::<[libc::mmsghdr; BATCH]>::new(mem::zeroed()),
                Box::<[libc::mmsghdr; BATCH]>::new(mem::zeroed()),
            )
        };
        let whole: [u8; HEADER + PACKET] = [&header()[..], &packet(ident)].concat().try_into().unwrap_or([0; _]);
        let mut packets = Box::new([whole; BATCH]);
        let from = if job.ttls > 0 { 0 } else { HEADER };
        let mut rooms = Box::new([[0; ROOM]; BATCH]);
        for n in 0..BATCH {
            names[n].sin_family = libc::AF_INET as libc::sa_family_t;
            parts[0][n] =
                libc::iovec { iov_base: packets[n][from..].as_mut_ptr().cast(), iov_len: HEADER + PACKET - from };
            parts[1][n] = libc::iovec { iov_base: rooms[n].as_mut_ptr().cast(), iov_len: ROOM };
            sends[n].msg_hdr.msg_name = (&raw mut names[n]).cast();
            sends[n].msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            sends[n].msg_hdr.msg_iov = &raw mut parts[0][n];
            receives[n].msg_hdr.msg_iov = &raw mut parts[1][n];
            (sends[n].msg_hdr.msg_iovlen, receives[n].msg_hdr.msg_iovlen) = (1, 1);
        }
        let socket = open(ident, job.ttls > 0)?;
        Ok(Loop { socket, job, packets, names, _rooms: rooms, _parts: parts, sends, receives })
    }

    fn run(mut self) -> io::Result<Done> {
        let mut done = Done { sent: 0, received: 0, last: Instant::now() };
        if self.job.ttls > 0 {
            while done.sent < self.job.count {
                let batch = (self.job.count - done.sent).min(BATCH as u64) as usize;
                let sent = self.send(done.sent, batch)?;
                done.sent += sent;
                if sent == 0 {
                    self.wait(libc::POLLOUT)?;
                }
            }
            done.last = Instant::now();
            return Ok(done);
        }
        while done.received < self.job.count {
            let before = (done.sent, done.received);
            let room = self.job.window.saturating_sub(done.sent - done.received);
            let batch = (self.job.count - done.sent).min(room).min(BATCH as u64) as usize;
            if batch > 0 {
                done.sent += self.send(done.sent, batch)?;
            }
            loop {
                let received = self.receive()?;
                done.received += received as u64;
                if received < BATCH {
                    break;
                }
            }
            if done.received > before.1 {
                done.last = Instant::now();
            }
            let stuck = (done.sent, done.received) == before;
            if stuck && !self.wait(libc::POLLIN)? {
                break;
            }
        }
        Ok(done)
    }

    /// Sends echo requests `from` .. `from` + `batch`; says how many left.
    fn send(&mut self, from: u64, batch: usize) -> io::Result<u64> {
        for (n, number) in (from..).take(batch).enumerate() {
            let ttls = self.job.ttls.max(1);
            let address = self.job.first.wrapping_add(self.job.step.wrapping_mul((number / ttls) as u32));
            let header = &mut self.packets[n];
            header[8] = if ttls > 1 { (number % ttls) as u8 + 1 } else { 64 };
            header[16..HEADER].copy_from_slice(&address.to_be_bytes());
            patch(&mut self.packets[n][HEADER..], number as u16);
            self.names[n].sin_addr.s_addr = address.to_be();
        }
        // SAFETY: sendmmsg(2): "msgvec … is a pointer to an array of mmsghdr structures. The size of this array is specified
        // in vlen": it has BATCH entries, and their pointers name memory that lives in the boxes beside it.
        let sent = unsafe { libc::sendmmsg(self.socket, self.sends.as_mut_ptr(), batch as _, libc::MSG_DONTWAIT) };
        count(sent).map(|sent| sent as u64)
    }

    fn receive(&mut self) -> io::Result<usize> {
        let flags = libc::MSG_DONTWAIT;
        // SAFETY: recvmmsg(2): "msgvec … is a pointer to an array of mmsghdr structures … vlen" is its size; names and control
        // data are not asked for, and each part names ROOM octets that live in the box beside it.
        let received =
            unsafe { libc::recvmmsg(self.socket, self.receives.as_mut_ptr(), BATCH as _, flags as _, ptr::null_mut()) };
        count(received)
    }

    /// Waits for a reply, or for room; says whether it came in time.
    fn wait(&self, events: libc::c_short) -> io::Result<bool> {
        let mut one = libc::pollfd { fd: self.socket, events, revents: 0 };
        // SAFETY: poll(2): "fds … is an array of structures", of nfds = 1 entries, which lives through the call.
        count(unsafe { libc::poll(&raw mut one, 1, PATIENCE_MS) }).map(|ready| ready > 0)
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // SAFETY: close(2) "closes a file descriptor, so that it no longer refers to any file"; nothing else has this one.
        unsafe { libc::close(self.socket) };
    }
}

/// A result of a call on a non-blocking socket: no room and nothing there are 0.
fn count(result: libc::c_int) -> io::Result<usize> {
    usize::try_from(result).or_else(|_| match io::Error::last_os_error() {
        error if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS)) => Ok(0),
        error => Err(error),
    })
}

/// A raw ICMP socket that receives echo replies with `ident` alone, or none and sends packets with headers.
fn open(ident: u16, headers: bool) -> io::Result<libc::c_int> {
    // SAFETY: socket(2) takes three integers.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::IPPROTO_ICMP) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // Identifier of an echo reply after an IP header without options.
    let filter = [
        libc::sock_filter { code: 0x28, jt: 0, jf: 0, k: 24 },
        libc::sock_filter { code: 0x15, jt: 0, jf: 1, k: ident.into() },
        libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: u32::MAX },
        libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0 },
    ];
    let program = libc::sock_fprog { len: filter.len() as _, filter: filter.as_ptr().cast_mut() };
    // <linux/icmp.h>: ICMP_FILTER of SOL_RAW blocks the types whose bits are set.
    set(socket, 255, 1, if headers { &!0u32 } else { &!1u32 })?;
    set(socket, libc::IPPROTO_IP, libc::IP_HDRINCL, &libc::c_int::from(headers))?;
    set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)?;
    set(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &(4i32 << 20))?;
    Ok(socket)
}

fn set<T>(socket: libc::c_int, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    let octets = size_of::<T>() as libc::socklen_t;
    // SAFETY: setsockopt(2): "optval and optlen are used to access option values"; they name `value`, which is only read.
    let result = unsafe { libc::setsockopt(socket, level, name, (&raw const *value).cast(), octets) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// An IPv4 header for it; raw(7): the kernel fills in length, checksum, and source.
fn header() -> [u8; HEADER] {
    let mut header = [0; HEADER];
    // Version and length; Identification; DF; TTL; ICMP.
    (header[0], header[5], header[6], header[8], header[9]) = (0x45, 1, 0x40, 64, 1);
    header
}

/// An echo request with sequence number 0, and its checksum in full.
fn packet(ident: u16) -> [u8; PACKET] {
    let mut packet: [u8; PACKET] = std::array::from_fn(|n| n as u8);
    packet[..8].copy_from_slice(&[8, 0, 0, 0, 0, 0, 0, 0]);
    packet[4..6].copy_from_slice(&ident.to_be_bytes());
    let sum = packet.chunks(2).map(|word| u64::from(word[0]) << 8 | u64::from(word[1])).sum::<u64>();
    let folded = (sum & 0xffff) + (sum >> 16);
    packet[2..4].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    packet
}

/// Gives it another sequence number, and the checksum that goes with it (RFC 1624 §3).
fn patch(packet: &mut [u8], sequence: u16) {
    let [checksum, old] = [2, 6].map(|at| u16::from_be_bytes([packet[at], packet[at + 1]]));
    let sum = u32::from(!checksum) + u32::from(!old) + u32::from(sequence);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    packet[2..4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    packet[6..8].copy_from_slice(&sequence.to_be_bytes());
}

fn cpu_time() -> Duration {
    // SAFETY: getrusage(2): "usage" points to a structure of integers, for which all zeroes are a value, and which the call fills.
    let usage = unsafe {
        let mut usage: libc::rusage = mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let span = |time: libc::timeval| Duration::from_micros(time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64);
    span(usage.ru_utime) + span(usage.ru_stime)
}
