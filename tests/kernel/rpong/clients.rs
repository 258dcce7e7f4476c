//! Clients of rpong: a process inside a node, which panics if an answer is not what it should be.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Says what a process is to do, and where.
pub const VARIABLE: &str = "NETPROBE_LAB_CLIENTS";

/// How long an answer on this host may take before it counts as lost.
const LIMIT: Duration = Duration::from_secs(20);
/// How long no answer is waited for.
const SILENCE: Duration = Duration::from_millis(300);

#[test]
#[ignore = "clients that other tests start inside their namespaces"]
fn process() {
    let Ok(words) = std::env::var(VARIABLE) else { return };
    let words: Vec<&str> = words.split_whitespace().collect();
    match words[..] {
        ["tcp-echo", at] => stream_echo(connect(at), |stream| stream.shutdown(Shutdown::Write)),
        ["tcp-discard", at] => discard(connect(at)),
        ["unix-echo", at] => {
            stream_echo(UnixStream::connect(at).expect("it listens"), |stream| stream.shutdown(Shutdown::Write));
        }
        ["udp-echo", at] => udp_echo(at),
        ["unix-dgram-echo", at, own] => unix_dgram_echo(at, own),
        ["stamp", at] => stamp(at),
        ["crowd", tcp, udp] => crowd(tcp, udp),
        ["hold", at] => hold(at),
        ["abandon", at] => drop(never_reading(at)),
        ["half-close-and-abandon", at] => never_reading(at).shutdown(Shutdown::Write).expect("it is open"),
        ["finish", at, pid] => finish(at, pid),
        ["group", own, group, responder] => group_answers(own, group, responder),
        ["no-group", own, group] => group_is_silent(own, group),
        _ => panic!("no such clients: {words:?}"),
    }
    println!("all is well");
}

fn connect(at: &str) -> TcpStream {
    let stream = TcpStream::connect(at).expect("it listens");
    stream.set_read_timeout(Some(LIMIT)).expect("a socket");
    stream
}

/// Ends its own half and still gets everything back, and then the end.
fn stream_echo<S: Read + Write>(mut stream: S, end: impl Fn(&S) -> std::io::Result<()>) {
    stream.write_all(b"two ").expect("it reads");
    stream.write_all(b"half").expect("it reads");
    end(&stream).expect("it is open");
    let mut echo = Vec::new();
    stream.read_to_end(&mut echo).expect("an echo and the end");
    assert_eq!(echo, b"two half");
}

fn discard(mut stream: TcpStream) {
    stream.write_all(&[1; 300_000]).expect("it reads");
    stream.shutdown(Shutdown::Write).expect("it is open");
    assert_eq!(stream.read(&mut [0; 10]).expect("the end"), 0);
}

fn udp(own: &str) -> UdpSocket {
    let socket = UdpSocket::bind(own).expect("a free port");
    socket.set_read_timeout(Some(LIMIT)).expect("a socket");
    socket
}

fn udp_echo(at: &str) {
    let at: SocketAddr = at.parse().expect("an address");
    let socket = udp(if at.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" });
    for length in [0, 5, 1400] {
        let request: Vec<u8> = (0..length).map(|at| at as u8).collect();
        socket.send_to(&request, at).expect("it is sent");
        let mut echo = [0; 2000];
        let (count, from) = socket.recv_from(&mut echo).expect("an echo");
        assert_eq!((&echo[..count], from), (&request[..], at));
    }
}

fn unix_dgram_echo(at: &str, own: &str) {
    let socket = UnixDatagram::bind(own).expect("a free path");
    socket.set_read_timeout(Some(LIMIT)).expect("a socket");
    socket.send_to(b"hello", at).expect("it is sent");
    let mut echo = [0; 100];
    let (count, from) = socket.recv_from(&mut echo).expect("an echo");
    assert_eq!((&echo[..count], from.as_pathname()), (&b"hello"[..], Some(at.as_ref())));
}

/// RFC 8762 §4.2.1 and §4.3.1, octet by octet, to a reflector that counts.
fn stamp(at: &str) {
    let at: SocketAddr = at.parse().expect("an address");
    let socket = udp(if at.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" });
    for (sequence, counted) in [(0_u32, 0_u32), (3, 1), (4, 2)] {
        let mut request = [0; 60];
        request[..4].copy_from_slice(&sequence.to_be_bytes());
        request[4..14].copy_from_slice(&[0xea, 1, 2, 3, 4, 5, 6, 7, 0x20, 9]);
        request[44..].fill(0xaa);
        socket.send_to(&request, at).expect("it is sent");
        let mut answer = [0; 100];
        let (count, from) = socket.recv_from(&mut answer).expect("an answer");
        assert_eq!((count, from), (60, at));
        assert_eq!(answer[..4], counted.to_be_bytes(), "its own number");
        assert_eq!(answer[24..38], request[..14], "what the sender said, with its number");
        assert_eq!(answer[40..44], [64, 0, 0, 0], "TTL or Hop Limit on arrival");
        assert_eq!(answer[44..60], request[44..]);
        let time = |from: usize| u64::from_be_bytes(answer[from..from + 8].try_into().expect("eight octets"));
        let (answered, received) = (time(4), time(16));
        assert!(received <= answered && answered - received < 1 << 32, "{received} {answered}");
    }
    socket.send_to(&[0; 43], at).expect("it is sent");
    assert_silent(&socket);
}

fn assert_silent(socket: &UdpSocket) {
    socket.set_read_timeout(Some(SILENCE)).expect("a socket");
    let error = socket.recv_from(&mut [0; 100]).expect_err("nothing may answer");
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
}

/// 2 000 clients of the echo service, all connected at once, among 100 that never read, 200 that send nothing, and a flood.
fn crowd(tcp: &str, udp_at: &str) {
    let deaf: Vec<TcpStream> = (0..100).map(|_| never_reading(tcp)).collect();
    let silent: Vec<TcpStream> = (0..200).map(|_| connect(tcp)).collect();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| flood(udp_at, &over));
        let mut healthy: Vec<TcpStream> = (0..2000).map(|_| connect(tcp)).collect();
        for round in 0..5_u32 {
            let message = |client: usize| format!("round {round} of client {client:>5}; ").repeat(1 + client % 20);
            for (client, stream) in healthy.iter_mut().enumerate() {
                stream.write_all(message(client).as_bytes()).expect("it reads");
            }
            for (client, stream) in healthy.iter_mut().enumerate() {
                let expected = message(client);
                let mut echo = vec![0; expected.len()];
                stream.read_exact(&mut echo).unwrap_or_else(|error| panic!("client {client}: {error}"));
                assert_eq!(echo, expected.as_bytes());
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    drop((deaf, silent));
}

/// A client that sends until nothing more is taken.
fn never_reading(at: &str) -> TcpStream {
    let mut stream = connect(at);
    stream.set_nonblocking(true).expect("a socket");
    // Its own buffer and that of the other end fill up; what then is taken later does not matter.
    while stream.write(&[7; 65_536]).is_ok() {}
    stream
}

fn flood(at: &str, over: &AtomicBool) {
    let socket = udp(if at.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" });
    while !over.load(Ordering::Relaxed) {
        for _ in 0..100 {
            // Where the kernel has no room, the flood is as large as it can be.
            let _ = socket.send_to(&[9; 500], at);
        }
        thread::yield_now();
    }
}

/// Clients in the middle of their conversation, until the other end is gone.
fn hold(at: &str) {
    let mut streams: Vec<TcpStream> = (0..200).map(|_| connect(at)).collect();
    for stream in &mut streams {
        stream.write_all(b"x").expect("it reads");
        stream.read_exact(&mut [0]).expect("an echo");
    }
    println!("clients hold");
    for stream in &mut streams {
        while matches!(stream.read(&mut [0; 100]), Ok(1..)) {}
    }
}

/// Asks rpong to finish, and has its echoes all the same.
fn finish(at: &str, pid: &str) {
    let mut stream = connect(at);
    stream.write_all(b"before").expect("it reads");
    stream.read_exact(&mut [0; 6]).expect("an echo");
    let killed = Command::new("kill").args(["-s", "TERM", pid]).status().expect("kill starts");
    assert!(killed.success());
    // It is finishing as soon as the port has no listener.
    while TcpStream::connect(at).is_ok() {}
    stream.write_all(b"after").expect("it reads");
    stream.read_exact(&mut [0; 5]).expect("an echo");
}

fn group_answers(own: &str, group: &str, responder: &str) {
    let socket = udp(own);
    socket.send_to(b"who?", group).expect("it is sent");
    let mut echo = [0; 100];
    let (count, from) = socket.recv_from(&mut echo).expect("an echo");
    assert_eq!(&echo[..count], b"who?");
    let expected: IpAddr = responder.parse().expect("an address");
    match (from.ip(), expected) {
        // Only that it is link-local is known of it.
        (IpAddr::V6(from), IpAddr::V6(_)) => {
            assert!(from.is_unicast_link_local() || from.segments()[0] == 0xfd09, "{from}")
        }
        (from, expected) => assert_eq!(from, expected),
    }
}

fn group_is_silent(own: &str, group: &str) {
    let socket = udp(own);
    socket.set_broadcast(true).expect("a socket");
    socket.send_to(b"who?", group).expect("it is sent");
    assert_silent(&socket);
}
