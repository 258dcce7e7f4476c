//! Listening lanes: connections, datagrams, and cleaning up.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use netprobe::channel::{
    Accepted, Attempt, CloseHow, ClosedHow, Group, Header, Inbound, LaneId, LanePlan, Order, OsError, Precision,
    Protocol, SocketChoice, SocketKind, Token,
};
use netprobe::net;
use netprobe::types::{Endpoint, Family, IpEndpoint};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::namespace::{in_namespace, ip};
use crate::orders::link;
use crate::run::{FAMILIES, Run, endpoint, loopback, refusal, udp, with_rights};

in_namespace! {
    fn both_families_listen_on_one_port_and_echo() {
        let mut run = Run::open(vec![listener(Family::V4, 7), listener(Family::V6, 7)]);
        for (lane, family) in (0..).zip(FAMILIES) {
            assert_eq!(run.port(lane), 7);
            let mut client = TcpStream::connect(SocketAddr::from(loopback(family).with_port(7))).expect("a connection");
            let accepted = run.accepted();
            let local = client.local_addr().expect("an address");
            assert_eq!((accepted.lane, accepted.peer), (LaneId::new(lane), Endpoint::Ip(local.into())));
            assert_eq!(accepted.token.get() >> 63, 1);
            client.write_all(b"hello").expect("room");
            let octets = run.data(accepted.token, 5);
            run.write(accepted.token, &octets);
            run.drained(accepted.token);
            let mut echo = [0; 5];
            client.read_exact(&mut echo).expect("an echo");
            assert_eq!(&echo, b"hello");
            run.order(Order::Close { token: accepted.token, how: CloseHow::Fin });
            assert_eq!(client.read(&mut echo).expect("a FIN"), 0);
        }
    }

    fn a_port_the_kernel_chose_can_be_asked() {
        let run = Run::open(vec![listener(Family::V4, 0), server(Family::V6, 0)]);
        TcpStream::connect(SocketAddr::from(loopback(Family::V4).with_port(run.port(0)))).expect("a connection");
        assert_ne!(run.port(1), 0);
    }

    fn two_thousand_connections_at_once_lose_no_echo_and_leave_no_descriptor() {
        const MANY: u64 = 2000;
        let mut run = Run::open(vec![listener(Family::V4, 7), tcp(Family::V4)]);
        let before = descriptors();
        let to = Endpoint::Ip(loopback(Family::V4).with_port(7));
        for token in 1..=MANY {
            run.connect(token, 1, to.clone(), Header::default());
            if token % 100 == 0 {
                run.receive();
            }
        }
        let (mut opened, mut accepted) = (0, Vec::new());
        while opened < MANY || accepted.len() < MANY as usize {
            for (item, _) in run.until(|item| matches!(item, Inbound::Opened(_) | Inbound::Accepted(_))) {
                match item {
                    Inbound::Opened(_) => opened += 1,
                    Inbound::Accepted(Accepted { token, .. }) => accepted.push(token),
                    Inbound::Sent(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(descriptors(), before + 2 * MANY as usize);
        for token in 1..=MANY {
            run.write(Token::new(token), &token.to_be_bytes());
        }
        let mut echoed = 0;
        while echoed < MANY {
            for (item, octets) in run.until(|item| matches!(item, Inbound::Data(_))) {
                match item {
                    Inbound::Data(data) if data.token.get() >> 63 == 1 => run.write(data.token, &octets),
                    Inbound::Data(data) => {
                        assert_eq!(octets, data.token.get().to_be_bytes());
                        echoed += 1;
                    }
                    _ => {}
                }
            }
        }
        for token in 1..=MANY {
            run.order(Order::Close { token: Token::new(token), how: CloseHow::Reset });
        }
        for token in accepted {
            assert_eq!(run.closed(token), ClosedHow::Reset);
        }
        assert_eq!(descriptors(), before);
    }

    fn three_thousand_attempts_one_after_the_other_leave_no_descriptor() {
        let mut run = Run::open(vec![listener(Family::V4, 7), tcp(Family::V4)]);
        let before = descriptors();
        for token in 1..=3000 {
            // Some are refused, some open and are ended by either side.
            let port = if token % 3 == 0 { 81 } else { 7 };
            run.connect(token, 1, Endpoint::Ip(loopback(Family::V4).with_port(port)), Header::default());
            if port == 81 {
                assert_eq!(run.closed(Token::new(token)), ClosedHow::Reset);
                continue;
            }
            run.opened(token);
            let how = if token % 2 == 0 { CloseHow::Fin } else { CloseHow::Reset };
            let accepted = run.accepted().token;
            run.order(Order::Close { token: Token::new(token), how });
            let ended = run.closed(accepted);
            assert_eq!(ended, if token % 2 == 0 { ClosedHow::Fin } else { ClosedHow::Reset });
            run.order(Order::Forget { token: accepted });
        }
        assert_eq!(descriptors(), before);
    }

    fn a_write_leaves_in_parts_and_is_drained_when_all_of_it_has() {
        let mut run = Run::open(vec![listener(Family::V4, 7), LanePlan { send_buffer: Some(4096), ..tcp(Family::V4) }]);
        run.connect(1, 1, Endpoint::Ip(loopback(Family::V4).with_port(7)), Header::default());
        run.opened(1);
        let server = run.accepted().token;
        run.came.clear();
        run.order(Order::Pause { token: server });
        let sent: Vec<u8> = (0..4_000_000u32).map(|at| (at % 251) as u8).collect();
        run.write(ONE, &sent);
        run.idle();
        assert!(run.came.is_empty(), "{:?}", run.came);
// Much more than that is refused.
        run.write(ONE, &[1; 300 << 10]);
        assert_eq!(run.outcome(1), Err((OsError::ENOBUFS, None)));
        run.order(Order::Resume { token: server });
        let mut got = Vec::new();
        let mut drained = false;
        while got.len() < sent.len() || !drained {
            for (item, octets) in run.until(|item| matches!(item, Inbound::Data(_) | Inbound::Drained { .. })) {
                drained |= item == Inbound::Drained { token: ONE };
                got.extend(octets);
            }
        }
        assert!(got == sent, "{} octets, not those that were sent", got.len());
    }

    fn a_peer_feels_that_it_is_not_read() {
        let mut run = Run::open(vec![listener(Family::V4, 7)]);
        let mut client = TcpStream::connect(SocketAddr::from(loopback(Family::V4).with_port(7))).expect("a connection");
        client.set_nonblocking(true).expect("a socket");
        let server = run.accepted().token;
        run.order(Order::Pause { token: server });
        let mut written = 0;
        loop {
            match client.write(&[7; 1 << 16]) {
                Ok(count) => written += count,
                Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            assert!(written < 64 << 20, "nothing holds it back");
        }
        run.idle();
        assert!(run.came.is_empty(), "{:?}", run.came);
        client.shutdown(Shutdown::Write).expect("a socket");
        run.order(Order::Resume { token: server });
        assert_eq!(run.data(server, written).len(), written);
        assert_eq!(run.closed(server), ClosedHow::Fin);
    }

    fn a_paused_connection_whose_peer_is_gone_causes_no_wake_up() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("s");
        let mut run = Run::open(vec![local(SocketChoice::Auto, Some(&path))]);
        let mut client = UnixStream::connect(&path).expect("a connection");
        let server = run.accepted().token;
        run.order(Order::Pause { token: server });
        client.write_all(b"last words").expect("room");
        drop(client);
        run.idle();
        assert!(run.came.is_empty(), "{:?}", run.came);
        run.order(Order::Resume { token: server });
        assert_eq!(run.data(server, 10), b"last words");
        assert_eq!(run.closed(server), ClosedHow::Fin);
    }

    fn what_answers_a_peer_that_ended_its_side_still_reaches_it() {
        let mut run = Run::open(vec![listener(Family::V4, 7)]);
        let before = descriptors();
        let mut client = TcpStream::connect(SocketAddr::from(loopback(Family::V4).with_port(7))).expect("a connection");
        client.write_all(b"hello").expect("room");
        client.shutdown(Shutdown::Write).expect("a socket");
        let server = run.accepted().token;
        let octets = run.data(server, 5);
        assert_eq!(run.closed(server), ClosedHow::Fin);
        for part in octets.chunks(2) {
            run.write(server, part);
            run.drained(server);
// The end of the peer is reported once.
            run.idle();
            assert!(run.came.is_empty(), "{:?}", run.came);
        }
        run.order(Order::Close { token: server, how: CloseHow::Fin });
        let mut echo = Vec::new();
        client.read_to_end(&mut echo).expect("a FIN");
        assert_eq!(echo, b"hello");
        drop(client);
        assert_eq!(descriptors(), before);
    }

    fn a_reset_after_the_end_of_a_peer_is_reported_too() {
        let mut run = Run::open(vec![listener(Family::V4, 7)]);
        let client = TcpStream::connect(SocketAddr::from(loopback(Family::V4).with_port(7))).expect("a connection");
        client.shutdown(Shutdown::Write).expect("a socket");
        let server = run.accepted().token;
        assert_eq!(run.closed(server), ClosedHow::Fin);
        run.write(server, b"unread");
        run.drained(server);
        drop(client);
        assert_eq!(run.closed(server), ClosedHow::Reset);
        run.write(server, b"too late");
        let refused = run.take(|item| matches!(item, Inbound::Refused(_))).0;
        assert!(matches!(refused, Inbound::Refused(refused) if refused.error == OsError::ENOTCONN), "{refused:?}");
    }

    fn without_a_descriptor_an_attempt_is_refused_and_who_connects_waits() {
        let mut run = Run::open(vec![listener(Family::V4, 7), tcp(Family::V4)]);
        let to = loopback(Family::V4).with_port(7);
        limit_descriptors(descriptors() as u64 + 8);
        let mut fillers = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            fillers.push(file);
        }
        run.connect(1, 1, Endpoint::Ip(to), Header::default());
        assert_eq!(run.outcome(1), Err((OsError::EMFILE, None)));
        fillers.pop();
        let mut client = TcpStream::connect(SocketAddr::from(to)).expect("the backlog has room");
        run.idle();
        assert!(run.came.is_empty(), "{:?}", run.came);
        fillers.pop();
        let server = run.accepted().token;
        client.write_all(b"hello").expect("room");
        assert_eq!(run.data(server, 5), b"hello");
        // The second has to wait until the first is gone, and then does not wait any more.
        let waiting = {
            fillers.pop();
            TcpStream::connect(SocketAddr::from(to)).expect("the backlog has room")
        };
        run.idle();
        run.order(Order::Close { token: server, how: CloseHow::Fin });
        let peer = run.accepted().peer;
        assert_eq!(peer, Endpoint::Ip(waiting.local_addr().expect("an address").into()));
    }

    fn a_restarted_listener_binds_at_once() {
        with_rights(|| {
            let mut run = Run::open(vec![listener(Family::V4, 7)]);
            let mut client = TcpStream::connect(SocketAddr::from(loopback(Family::V4).with_port(7))).expect("a connection");
            let token = run.accepted().token;
// The side that ends first keeps the port in TIME-WAIT.
            run.order(Order::Close { token, how: CloseHow::Fin });
            assert_eq!(client.read(&mut [0; 1]).expect("a FIN"), 0);
        });
        with_rights(|| {
            Run::open(vec![listener(Family::V4, 7)]);
        });
    }

    fn a_port_in_use_or_of_another_family_is_refused() {
        let _taken = std::net::TcpListener::bind("127.0.0.1:7").expect("a free port");
        let attempts = |plan| refusal(plan).attempts;
        let attempt = |call: &'static str, error| [Attempt { socket: SocketKind::Stream, call: call.into(), error }];
        with_rights(|| assert_eq!(attempts(listener(Family::V4, 7)), attempt("bind", OsError::EADDRINUSE)));
        let other = LanePlan { family: Family::V4, ..listener(Family::V6, 7) };
        with_rights(|| assert_eq!(attempts(other), attempt("bind", OsError::EAFNOSUPPORT)));
        let local = LanePlan { protocol: Protocol::Unix, ..listener(Family::V4, 8) };
        with_rights(|| assert_eq!(attempts(local), attempt("bind", OsError::EAFNOSUPPORT)));
    }

    fn a_local_listener_echoes_and_takes_its_file_away() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("s");
        with_rights(|| {
            let mut run = Run::open(vec![local(SocketChoice::Auto, Some(&path)), local(SocketChoice::Auto, None)]);
            run.connect(1, 1, Endpoint::Unix(path.as_path().into()), Header::default());
            run.opened(1);
            let accepted = run.accepted();
            assert_eq!((accepted.lane, accepted.peer), (LaneId::new(0), unnamed()));
            run.write(ONE, b"hello");
            let octets = run.data(accepted.token, 5);
            run.write(accepted.token, &octets);
            assert_eq!(run.data(ONE, 5), b"hello");
        });
        assert!(!path.exists());
    }

    fn only_a_local_socket_without_a_listener_is_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        for (choice, socket) in [(SocketChoice::Auto, SocketKind::Stream), (SocketChoice::Dgram, SocketKind::Dgram)] {
            let path = directory.path().join(socket.name());
            let in_use = [Attempt { socket, call: "bind".into(), error: OsError::EADDRINUSE }];
            let attempts = || with_rights(|| refusal(local(choice, Some(&path))).attempts);
            fs::write(&path, "no socket").expect("a file");
            assert_eq!(attempts(), in_use);
            fs::remove_file(&path).expect("our file");
            let other_listener = (UnixListener::bind(&path).expect("a free path"), ());
            assert_eq!(attempts(), in_use);
            drop(other_listener);
            assert!(path.exists());
            // The process there may be about to listen.
            fs::remove_file(&path).expect("its file");
            let bound = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
            bound.bind(&SockAddr::unix(&path).expect("a path")).expect("a free path");
            assert_eq!(attempts(), in_use);
            drop(bound);
            with_rights(|| {
                let run = Run::open(vec![local(choice, Some(&path))]);
// A replacement of our file is kept.
                fs::remove_file(&path).expect("our file");
                fs::write(&path, "theirs").expect("a file");
                drop(run);
            });
            assert!(path.exists());
        }
    }

    fn what_a_killed_process_left_while_it_replaced_a_socket_is_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, left) = (directory.path().join("s"), directory.path().join(".rpong"));
        let stale = |path| drop(UnixListener::bind(path).expect("a free path"));
        for stood_there in [false, true] {
            stale(&left);
            if stood_there {
                stale(&path);
            }
            with_rights(|| drop(Run::open(vec![local(SocketChoice::Auto, Some(&path))])));
            assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 0, "{stood_there}");
        }
        // One that has an owner stays.
        let _owner = UnixListener::bind(&left).expect("a free path");
        with_rights(|| drop(Run::open(vec![local(SocketChoice::Auto, Some(&path))])));
        assert!(left.exists());
    }

    fn local_datagrams_go_both_ways() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("s");
        let plans = vec![local(SocketChoice::Dgram, Some(&path)), local(SocketChoice::Dgram, None)];
        let mut run = Run::open(plans);
        run.queue_flow(1, 1, 0, Endpoint::Unix(path.as_path().into()), Header::default(), b"question");
        run.submit();
        assert_eq!(run.outcome(1), Ok(()));
        let (datagram, octets) = run.datagram(0);
        assert_eq!(octets, b"question");
        assert!(matches!(&datagram.from, Endpoint::Unix(name) if name.as_os_str().len() == 6), "{datagram:?}");
        run.queue_flow(2, 0, 0, datagram.from, Header::default(), b"answer");
        run.submit();
        assert_eq!(run.outcome(2), Ok(()));
        let (datagram, octets) = run.datagram(1);
        assert_eq!((datagram.from, &octets[..]), (Endpoint::Unix(path.as_path().into()), &b"answer"[..]));
// A datagram from a socket without a name arrives, but cannot be answered.
        UnixDatagram::unbound().and_then(|socket| socket.send_to(b"x", &path)).expect("a datagram");
        assert_eq!(run.datagram(0).0.from, unnamed());
        run.queue_flow(3, 0, 0, unnamed(), Header::default(), b"to nobody");
        run.submit();
        assert_eq!(run.outcome(3), Err((OsError::EINVAL, None)));
    }

    fn a_full_or_missing_local_peer_refuses_the_datagram() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("s");
        let other_listener = UnixDatagram::bind(&path).expect("a free path");
        let mut run = Run::open(vec![local(SocketChoice::Dgram, None)]);
        let to = Endpoint::Unix(path.as_path().into());
        let mut outcome = |token| {
            run.queue_flow(token, 0, 0, to.clone(), Header::default(), b"x");
            run.submit();
            run.outcome(token)
        };
        let refused = (1..=10_000).find_map(|token| outcome(token).err());
        assert_eq!(refused, Some((OsError::EAGAIN, None)));
        drop(other_listener);
        assert_eq!(outcome(10_001), Err((OsError::ECONNREFUSED, None)));
        fs::remove_file(&path).expect("the file");
        assert_eq!(outcome(10_002), Err((OsError::ENOENT, None)));
    }

    fn an_answer_leaves_with_the_address_that_was_asked() {
        ip("address add 2001:db8::5/128 dev lo nodad");
        for (family, asked) in [(Family::V4, "127.0.0.5"), (Family::V6, "2001:db8::5")] {
            let mut run = with_rights(|| Run::open(vec![server(family, 0), udp(family)]));
            let to = endpoint(asked).with_port(run.port(0));
            run.probe(1, 1, to, b"question");
            let (datagram, _) = run.datagram(0);
            assert_eq!((datagram.to, datagram.ifindex), (Some(to.address), net::interface_index("lo")));
            let header = Header { from: datagram.to, ifindex: datagram.ifindex, ..Header::default() };
            run.send(2, 0, datagram.from.ip().expect("an address"), header, b"answer");
            let (datagram, octets) = run.datagram(1);
            assert_eq!((datagram.from, &octets[..]), (Endpoint::Ip(to), &b"answer"[..]));
// The error about an answer to a closed port is not reported: a server has no error queue.
            let closed = loopback(family).with_port(9);
            for token in [3, 4] {
                run.send(token, 0, closed, Header::default(), b"x");
            }
            run.idle();
            assert!(!run.came.iter().any(|(item, _)| matches!(item, Inbound::Icmp(_))), "{:?}", run.came);
        }
    }

    fn members_of_a_group_are_asked_and_answer_alone() {
        link();
        for (family, group) in [(Family::V4, "239.1.2.3"), (Family::V6, "ff02::4321")] {
            let group = endpoint(group).address;
            let interface = Some("v0".into());
            let member = LanePlan { groups: vec![Group { address: group, interface }], ..server(family, 4321) };
            let mut run = with_rights(|| Run::open(vec![member.clone(), member, udp(family)]));
// A socket receives only from groups that it has joined itself.
            let mut other = with_rights(|| Run::open(vec![server(family, 4322)]));
            let header = Header { ifindex: net::interface_index("v0"), ..Header::default() };
            let to = IpEndpoint::from_address(group);
            run.send(1, 2, to.with_port(4321), header, b"who is there?");
            run.send(2, 2, to.with_port(4322), header, b"who is there?");
            for lane in [0, 1] {
                let is_here = |item: &Inbound| matches!(item, Inbound::Datagram(d) if d.lane == LaneId::new(lane));
                let (Inbound::Datagram(datagram), octets) = run.take(is_here) else { panic!("not a datagram") };
                assert_eq!((datagram.to, &octets[..]), (Some(group), &b"who is there?"[..]));
                run.send(3, lane, datagram.from.ip().expect("an address"), Header::default(), b"I am");
                let is_answer = |item: &Inbound| matches!(item, Inbound::Datagram(d) if d.lane == LaneId::new(2));
                let (Inbound::Datagram(answer), octets) = run.take(is_answer) else { panic!("not a datagram") };
                assert_eq!(answer.from.ip().map(|from| from.port_number()), Some(4321));
                assert_eq!(octets, b"I am");
            }
            other.idle();
            assert!(other.came.is_empty(), "{:?}", other.came);
        }
    }

    fn a_group_that_cannot_be_joined_refuses_the_lane() {
        let group = |address: &str, interface: Option<&str>| {
            let group = Group { address: endpoint(address).address, interface: interface.map(Box::from) };
            let plan = LanePlan { groups: vec![group], ..server(Family::V4, 4321) };
            with_rights(|| refusal(plan).attempts)
        };
        let attempt = |call: &'static str, error| [Attempt { socket: SocketKind::Dgram, call: call.into(), error }];
        assert_eq!(group("239.1.2.3", Some("no-such-if")), attempt("IP_ADD_MEMBERSHIP", OsError::ENODEV));
        assert_eq!(group("239.1.2.3", None), attempt("IP_ADD_MEMBERSHIP", OsError::ENODEV));
        assert_eq!(group("192.0.2.1", Some("lo")), attempt("IP_ADD_MEMBERSHIP", OsError::EINVAL));
        assert_eq!(group("ff02::1", Some("lo")), attempt("IPV6_ADD_MEMBERSHIP", OsError::EAFNOSUPPORT));
    }
}

/// The token of the connection a test opens.
const ONE: Token = Token::new(1);

fn tcp(family: Family) -> LanePlan {
    LanePlan::new(family, Protocol::Tcp, SocketChoice::Auto)
}

fn any(family: Family, port: u16) -> Option<Endpoint> {
    let address = if family == Family::V4 { "0.0.0.0" } else { "::" };
    Some(Endpoint::Ip(endpoint(address).with_port(port)))
}

fn listener(family: Family, port: u16) -> LanePlan {
    LanePlan { listen: any(family, port), ..tcp(family) }
}

fn server(family: Family, port: u16) -> LanePlan {
    LanePlan { listen: any(family, port), ..udp(family) }
}

fn local(choice: SocketChoice, listen: Option<&Path>) -> LanePlan {
    let listen = listen.map(|path| Endpoint::Unix(path.into()));
    LanePlan { listen, ..LanePlan::new(Family::V4, Protocol::Unix, choice) }
}

fn unnamed() -> Endpoint {
    Endpoint::Unix(Path::new("").into())
}

/// How many descriptors this process has.
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("proc(5)").count()
}

fn limit_descriptors(most: u64) {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: setrlimit(2): the limits are read from "an rlimit structure", which lives through the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
}

impl Run {
    fn accepted(&mut self) -> Accepted {
        match self.take(|item| matches!(item, Inbound::Accepted(_))).0 {
            Inbound::Accepted(accepted) => accepted,
            other => panic!("not a client: {other:?}"),
        }
    }

    /// Turns until nothing happens any more, which must be soon: an idle channel must not wake us.
    fn idle(&mut self) {
        for _ in 0..1000 {
            let deadline = self.channel.now().mono + Duration::from_millis(20);
            self.channel.wait(Some(deadline), Precision::Relaxed).expect("wait");
            self.receive();
            if self.channel.now().mono >= deadline {
                return;
            }
        }
        panic!("it never rests");
    }
}
