//! Connections that we open: attempts, their reports, and transfer of octets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::Duration;

use netprobe::channel::{
    Attempt, CloseHow, ClosedHow, ErrorOrigin, ErrorPath, Header, Inbound, LanePlan, Layer, Order, OsError, Owner,
    Protocol, SocketChoice, SocketKind, Token,
};
use netprobe::types::{Endpoint, Family, IpEndpoint, Port, Tos, Ttl};
use netprobe::wire::checksum;

use crate::namespace::{in_namespace, ip};
use crate::orders::link;
use crate::run::{FAMILIES, Run, endpoint, loopback, refusal, with_rights};

in_namespace! {
    fn a_listening_port_opens_and_our_end_is_reported_before() {
        for family in FAMILIES {
            with_rights(|| {
                let (listener, to) = listen(family);
                let mut run = Run::open(vec![tcp(family)]);
                run.connect(1, 0, Endpoint::Ip(to), Header::default());
                let sent = run.begun(1);
                let opened = run.opened(1);
                let (_, peer) = listener.accept().expect("a connection");
                assert_eq!((sent.local, opened.local), (Some(peer.into()), Some(peer.into())));
                assert_eq!(opened.retransmits, 0);
                assert!(sent.stamp.user.mono < opened.stamp.user.mono);
            });
        }
    }

    fn a_closed_port_resets_the_attempt_and_has_seen_our_port() {
        for family in FAMILIES {
            with_rights(|| {
                let mut run = Run::open(vec![tcp(family)]);
                run.connect(1, 0, Endpoint::Ip(loopback(family).with_port(81)), Header::default());
                let local = run.begun(1).local.expect("our end");
                assert_eq!((local.address, local.port.is_some()), (loopback(family).address, true));
                assert_eq!(run.closed(Token::new(1)), ClosedHow::Reset);
                // What is over is forgotten.
                run.write(Token::new(1), b"too late");
                assert_eq!(run.outcome(1), Err((OsError::ENOTCONN, None)));
            });
        }
    }

    fn a_filtered_port_is_given_up_by_the_kernel() {
        link();
        // Whatever goes there is lost.
        ip("neigh replace 10.0.0.2 lladdr 02:00:00:00:00:02 dev v0");
        let mut run = Run::open(vec![tcp(Family::V4)]);
        run.connect(1, 0, Endpoint::Ip(endpoint("10.0.0.2").with_port(82)), Header::default());
        let local = run.begun(1).local.expect("our end");
        assert_eq!((local.address, local.port.is_some()), (endpoint("10.0.0.1").address, true));
        assert_eq!(run.closed(Token::new(1)), ClosedHow::Failed(OsError::ETIMEDOUT));
    }

    fn a_lost_syn_is_reported_with_the_connection() {
        // The first SYN alone: 1 of 1000, then none.
        nft("add rule inet t in tcp flags syn tcp dport 1-65535 numgen inc mod 1000 0 drop");
        let (_listener, to) = listen(Family::V4);
        let mut run = Run::open(vec![tcp(Family::V4)]);
        run.connect(1, 0, Endpoint::Ip(to), Header::default());
        let opened = run.opened(1);
        assert_eq!(opened.retransmits, 1);
        run.connect(2, 0, Endpoint::Ip(to), Header::default());
        assert_eq!(run.opened(2).retransmits, 0);
    }

    fn a_rejected_attempt_is_reported_with_offender_type_and_code() {
        let rejects = [
            ("ip", "icmp", "port-unreachable", Family::V4, (3, 3)),
            ("ip", "icmp", "host-unreachable", Family::V4, (3, 1)),
            ("ip", "icmp", "net-unreachable", Family::V4, (3, 0)),
            ("ip", "icmp", "prot-unreachable", Family::V4, (3, 2)),
            ("ip", "icmp", "host-prohibited", Family::V4, (3, 10)),
            ("ip", "icmp", "admin-prohibited", Family::V4, (3, 13)),
            ("ip6", "icmpv6", "no-route", Family::V6, (1, 0)),
            ("ip6", "icmpv6", "admin-prohibited", Family::V6, (1, 1)),
            ("ip6", "icmpv6", "addr-unreachable", Family::V6, (1, 3)),
            ("ip6", "icmpv6", "port-unreachable", Family::V6, (1, 4)),
        ];
        for (port, (header, protocol, reject, ..)) in (1000..).zip(rejects) {
            nft(&format!("add rule inet t in meta nfproto {} tcp dport {port} reject with {protocol} type {reject}", if header == "ip" { "ipv4" } else { "ipv6" }));
        }
        let mut run = Run::open(FAMILIES.map(tcp).into());
        for (port, (.., family, kind)) in (1000..).zip(rejects) {
            let to = loopback(family).with_port(port);
            let token = u64::from(port);
            run.connect(token, u16::from(family == Family::V6), Endpoint::Ip(to), Header::default());
            let local = run.begun(token).local.expect("our end");
            let (report, quote) = run.report();
            assert_eq!(report.icmp, Some(kind));
            assert_eq!((report.token, report.to), (Some(Token::new(token)), Some(to)));
            assert_eq!((report.origin, report.offender), (ErrorOrigin::Icmp, Some(to.address)));
            assert!(report.reply_ttl.is_some());
            assert_eq!(quote[..4], [local.port_number().to_be_bytes(), port.to_be_bytes()].concat());
            // It ended the attempt.
            run.receive();
            assert!(run.came.is_empty(), "{:?}", run.came);
            run.connect(token, u16::from(family == Family::V6), Endpoint::Ip(to), Header::default());
            run.begun(token);
            run.report();
        }
    }

    fn an_error_about_a_connection_that_has_opened_does_not_end_it() {
        for family in FAMILIES {
            with_rights(|| {
                let (listener, to) = listen(family);
                let segments = raw(family, socket2::Protocol::TCP);
                let errors = raw(family, family.pick(socket2::Protocol::ICMPV4, socket2::Protocol::ICMPV6));
                let mut run = Run::open(vec![tcp(family)]);
                run.connect(1, 0, Endpoint::Ip(to), Header::default());
                // The end of the handshake is on the wire before the channel looks for an answer.
                let address = SocketAddr::from(loopback(family)).into();
                errors.send_to(&unreachable(family, &acknowledgement(family, &segments, to)), &address).expect("it leaves");
                run.begun(1);
                assert_eq!(run.opened(1).retransmits, 0);
                let (mut peer, _) = listener.accept().expect("a connection");
                peer.write_all(b"hello").expect("it is open");
                assert_eq!(run.data(Token::new(1), 5), b"hello");
            });
        }
    }

    fn an_attempt_that_cannot_begin_is_refused() {
        let (_listener, to) = listen(Family::V4);
        let mut run = Run::open(vec![tcp(Family::V4), unix()]);
        let header = Header::default();
        run.connect(1, 0, Endpoint::Ip(endpoint("192.0.2.1").with_port(80)), header);
        assert_eq!(run.outcome(1), Err((OsError::ENETUNREACH, None)));
        run.connect(2, 0, Endpoint::Ip(loopback(Family::V6).with_port(80)), header);
        assert_eq!(run.outcome(2), Err((OsError::EAFNOSUPPORT, None)));
        run.connect(3, 0, path("/nowhere"), header);
        assert_eq!(run.outcome(3), Err((OsError::EOPNOTSUPP, None)));
        run.connect(4, 0, Endpoint::Ip(to), Header { from: Some(endpoint("192.0.2.9").address), ..header });
        assert_eq!(run.outcome(4), Err((OsError::EADDRNOTAVAIL, None)));
        run.connect(7, 0, Endpoint::Ip(to), Header { ttl: Some(Ttl::new(0)), ..header });
        assert_eq!(run.outcome(7), Err((OsError::EINVAL, None)));
        run.connect(5, 1, path("/nowhere/at/all"), header);
        assert_eq!(run.outcome(5), Err((OsError::ENOENT, None)));
        run.connect(6, 0, Endpoint::Ip(to), header);
        run.opened(6);
        run.connect(6, 0, Endpoint::Ip(to), header);
        assert_eq!(run.outcome(6), Err((OsError::EINVAL, None)));
        run.connect(1 << 63, 0, Endpoint::Ip(to), header);
        assert_eq!(run.outcome(1 << 63), Err((OsError::EINVAL, None)));
    }

    fn no_free_port_refuses_and_a_pinned_one_serves_one_connection_to_a_peer() {
        let (_listener, to) = listen(Family::V4);
        let mut run = Run::open(vec![LanePlan { source_port: Port::new(7000), ..tcp(Family::V4) }]);
        let mut open = |token: u64| {
            run.connect(token, 0, Endpoint::Ip(to), Header::default());
            run.receive();
            run.came.drain(..).next().expect("an outcome").0
        };
        let Inbound::Sent(sent) = open(1) else { panic!("refused") };
        assert_eq!(sent.local.map(|local| local.port_number()), Some(7000));
        let Inbound::Refused(refused) = open(2) else { panic!("not refused") };
        assert!([OsError::EADDRINUSE, OsError::EADDRNOTAVAIL].contains(&refused.error), "{refused:?}");
    }

    fn header_fields_of_an_attempt_are_on_the_wire() {
        ip("address add 2001:db8::5/128 dev lo nodad");
        for (family, from) in [(Family::V4, "127.0.0.5"), (Family::V6, "2001:db8::5")] {
            with_rights(|| {
                let (listener, to) = listen(family);
// A listener cannot see TTL and TOS of a SYN: the packet filter admits only the expected one.
                for rule in if family == Family::V4 { &["ip ttl", "ip dscp"][..] } else { &["ip6 hoplimit", "ip6 dscp", "ip6 flowlabel"] } {
                    let wanted = match rule.split(' ').next_back() { Some("dscp") => "18", Some("flowlabel") => "0x12345", _ => "7" };
                    nft(&format!("add rule inet t in tcp flags & (syn|ack) == syn {rule} != {wanted} drop"));
                }
                let mut run = Run::open(vec![LanePlan { header: Header { ttl: Some(Ttl::new(9)), ..Header::default() }, ..tcp(family) }]);
                let header = Header {
                    from: Some(endpoint(from).address),
                    ifindex: netprobe::net::interface_index("lo"),
                    ttl: Some(Ttl::new(7)),
                    tos: Some(Tos::new(0x48)),
                    flow_label: netprobe::types::FlowLabel::new(0x12345),
                    ..Header::default()
                };
                run.connect(1, 0, Endpoint::Ip(to), header);
                let opened = run.opened(1);
                assert_eq!((opened.local.map(|local| local.address), opened.retransmits), (header.from, 0));
                let (_, peer) = listener.accept().expect("a connection");
                assert_eq!(Some(peer.ip()), header.from);
            });
        }
    }

    fn a_stream_lane_says_what_it_is() {
        let run = Run::open(vec![tcp(Family::V6), unix()]);
        let profile = run.profile(0);
        assert_eq!((profile.socket, profile.received_at, profile.quote_at), (SocketKind::Stream, Layer::Payload, Layer::Transport));
        assert_eq!((profile.ident.owner, profile.checksum, profile.errors), (Owner::Kernel, Owner::Kernel, ErrorPath::Queue));
        assert!(profile.max_open >= 1);
        assert_eq!((run.profile(1).protocol, run.profile(1).socket), (Protocol::Unix, SocketKind::Stream));
    }

    fn octets_travel_both_ways_and_an_orderly_end_differs_from_a_reset() {
        for how in [ClosedHow::Fin, ClosedHow::Reset] {
            with_rights(|| {
                let (mut run, mut peer) = connected();
                run.write(ONE, b"question");
                run.drained(ONE);
                let mut octets = [0; 8];
                peer.read_exact(&mut octets).expect("octets");
                assert_eq!(&octets, b"question");
                peer.write_all(b"answer").expect("room");
                assert_eq!(run.data(ONE, 6), b"answer");
                if how == ClosedHow::Reset {
                    // Closing with octets unread sends RST (RFC 1122 §4.2.2.13).
                    run.write(ONE, b"unread");
                    peer.peek(&mut octets).expect("octets");
                }
                drop(peer);
                assert_eq!(run.closed(ONE), how);
            });
        }
    }

    fn a_close_sends_fin_even_with_octets_unread_and_a_reset_sends_rst() {
        for (how, expected) in [(CloseHow::Fin, Ok(0)), (CloseHow::Reset, Err(std::io::ErrorKind::ConnectionReset))] {
            with_rights(|| {
                let (mut run, mut peer) = connected();
                peer.write_all(b"greeting").expect("room");
                std::thread::yield_now();
                run.order(Order::Close { token: ONE, how });
                assert_eq!(peer.read(&mut [0; 9]).map_err(|error| error.kind()), expected);
                run.receive();
                assert!(run.came.is_empty(), "{:?}", run.came);
            });
        }
    }

    fn what_was_written_leaves_before_the_fin() {
        let (mut run, mut peer) = connected();
        run.write(ONE, &vec![7; 8 << 20]);
        run.order(Order::Close { token: ONE, how: CloseHow::Fin });
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).map(|_| all.len())
        });
        while !reader.is_finished() {
            let soon = run.channel.now().mono + Duration::from_millis(10);
            run.channel.wait(Some(soon), netprobe::channel::Precision::Relaxed).expect("wait");
            run.receive();
        }
        assert_eq!(reader.join().expect("a reader").expect("no reset"), 8 << 20);
        assert!(run.came.is_empty(), "{:?}", run.came);
    }

    fn a_connection_forgotten_does_not_wait_for_its_peer() {
        let (mut run, mut peer) = connected();
        run.write(ONE, &vec![7; 8 << 20]);
        run.order(Order::Close { token: ONE, how: CloseHow::Fin });
        run.write(ONE, b"more");
        assert_eq!(run.outcome(1), Err((OsError::ENOTCONN, None)));
        run.order(Order::Forget { token: ONE });
        let mut all = Vec::new();
        peer.read_to_end(&mut all).expect("a FIN");
        assert!(all.len() < 8 << 20);
    }

    fn an_icmp_error_does_not_end_an_open_connection() {
        // Not only the first segment is rejected: its error comes while the call that sends it holds the socket, which hides it.
        for (family, reject) in [(Family::V4, "icmp type host-unreachable"), (Family::V6, "icmpv6 type addr-unreachable")] {
            let (mut run, mut peer) = with_rights(|| connected_over(family));
            nft(&format!("add rule inet t in tcp dport {} limit rate over 1/day burst 3 packets accept; add rule inet t in tcp dport {} reject with {reject}", port_of(&peer), port_of(&peer)));
            run.write(ONE, b"rejected thrice");
            let mut octets = [0; 15];
            peer.read_exact(&mut octets).expect("the kernel sends it again");
            run.receive();
            assert_eq!(run.came.drain(..).map(|(item, _)| item).collect::<Vec<_>>(), [Inbound::Drained { token: ONE }]);
        }
    }

    fn a_mark_cannot_be_had_for_connections() {
        let attempts = [Attempt { socket: SocketKind::Stream, call: "SO_MARK".into(), error: OsError::EOPNOTSUPP }];
        assert_eq!(refusal(LanePlan { mark: Some(1), ..tcp(Family::V4) }).attempts, attempts);
    }

    fn local_streams_open_at_once_and_without_a_listener_are_reset() {
        let directory = tempfile::tempdir().expect("a directory");
        let name = directory.path().join("s");
        let listener = UnixListener::bind(&name).expect("a listener");
        let mut run = Run::open(vec![unix()]);
        let to = Endpoint::Unix(name.as_path().into());
        run.connect(1, 0, to.clone(), Header::default());
        run.begun(1);
        assert_eq!(run.opened(1).local, None);
        let (mut peer, _) = listener.accept().expect("a connection");
        run.write(ONE, b"question");
        run.drained(ONE);
        let mut octets = [0; 8];
        peer.read_exact(&mut octets).expect("octets");
        peer.write_all(b"answer").expect("room");
        drop(peer);
        assert_eq!(run.data(ONE, 6), b"answer");
        assert_eq!(run.closed(ONE), ClosedHow::Fin);
        drop(listener);
        run.connect(2, 0, to, Header::default());
        run.begun(2);
        assert_eq!(run.closed(Token::new(2)), ClosedHow::Reset);
    }
}

/// The token of the connection a test is about.
const ONE: Token = Token::new(1);

fn raw(family: Family, protocol: socket2::Protocol) -> socket2::Socket {
    let domain = family.pick(socket2::Domain::IPV4, socket2::Domain::IPV6);
    let socket = socket2::Socket::new(domain, socket2::Type::RAW, Some(protocol)).expect("raw sockets");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    socket
}

/// The TCP segment with which a connection to this port was acknowledged.
fn acknowledgement(family: Family, mut segments: &socket2::Socket, to: IpEndpoint) -> Vec<u8> {
    const ACK: u8 = 0x10;
    let mut packet = [0; 200];
    loop {
        let octets = segments.read(&mut packet).expect("a segment");
        // Raw sockets have the IP header over IPv4 alone.
        let segment = &packet[family.pick(20, 0)..octets];
        if segment[2..4] == to.port_number().to_be_bytes() && segment[13] == ACK {
            return segment.to_vec();
        }
    }
}

/// An ICMP message: host unreachable, about this TCP segment over the loopback interface.
fn unreachable(family: Family, segment: &[u8]) -> Vec<u8> {
    let octets = segment.len() as u8;
    let quoted = match family {
        Family::V4 => {
            [&[0x45, 0, 0, 20 + octets, 0, 0, 0x40, 0, 64, 6, 0, 0][..], &[127, 0, 0, 1, 127, 0, 0, 1], segment]
                .concat()
        }
        Family::V6 => {
            let one = std::net::Ipv6Addr::LOCALHOST.octets();
            [&[0x60, 0, 0, 0, 0, octets, 6, 64][..], &one, &one, segment].concat()
        }
    };
    let mut message = [&family.pick([3, 1], [1, 3])[..], &[0; 6], &quoted].concat();
    if family == Family::V4 {
        // Over IPv6 the kernel computes it.
        let sum = checksum::internet(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    message
}

fn tcp(family: Family) -> LanePlan {
    LanePlan::new(family, Protocol::Tcp, SocketChoice::Auto)
}

fn unix() -> LanePlan {
    LanePlan::new(Family::V4, Protocol::Unix, SocketChoice::Auto)
}

fn path(path: &str) -> Endpoint {
    Endpoint::Unix(std::path::Path::new(path).into())
}

/// A listener that is not ours, and where it is.
fn listen(family: Family) -> (TcpListener, IpEndpoint) {
    let listener = TcpListener::bind(SocketAddr::from(loopback(family))).expect("a free port");
    let to = listener.local_addr().expect("an address").into();
    (listener, to)
}

/// A channel with one open connection, and its other end.
fn connected() -> (Run, TcpStream) {
    connected_over(Family::V4)
}

fn connected_over(family: Family) -> (Run, TcpStream) {
    let (listener, to) = listen(family);
    let mut run = Run::open(vec![tcp(family)]);
    run.connect(1, 0, Endpoint::Ip(to), Header::default());
    run.opened(1);
    let (peer, _) = listener.accept().expect("a connection");
    (run, peer)
}

fn port_of(peer: &TcpStream) -> u16 {
    peer.local_addr().expect("an address").port()
}

/// nft(8), after making a table `t` with a chain `in` for everything that arrives.
fn nft(command: &str) {
    let setup = "add table inet t; add chain inet t in { type filter hook input priority 0; };";
    let output = Command::new("nft").arg(format!("{setup} {command}")).output().expect("nft(8) is needed");
    assert!(output.status.success(), "nft {command}: {}", String::from_utf8_lossy(&output.stderr));
}
