//! Orders: what leaves, what is on the wire, what is refused.

use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use netprobe::channel::{
    ErrorOrigin, Fragmentation, Header, Inbound, LaneId, LanePlan, Open, Order, OsError, Precision, Protocol,
    SendStamps, SocketChoice, Token,
};
use netprobe::engine::encode;
use netprobe::net;
use netprobe::types::{Endpoint, Family, FlowLabel, Mtu, Sequence, Tos, Ttl};
use netprobe::wire::quoted::{self, Transport};

use crate::namespace::{allow_icmp_datagram_sockets, in_namespace, ip};
use crate::run::{FAMILIES, Run, endpoint, icmp, loopback, udp, with_rights};

in_namespace! {
    fn a_closed_port_is_reported_with_the_quote_and_the_next_probe_still_leaves() {
        let mut run = Run::open(FAMILIES.map(udp).into());
        for (lane, family) in (0..).zip(FAMILIES) {
            let to = loopback(family).with_port(33434);
// The error about each probe is queued before the next is sent, and fails its first attempt.
            for token in 1..=3 {
                run.probe(token, lane, to, &[token as u8; 20]);
            }
            for token in 1..=3 {
                assert_eq!(run.outcome(token), Ok(()), "{family:?}");
            }
            for token in 1..=3u8 {
                let (report, quote) = run.report();
                let kind = if family == Family::V4 { (3, 3) } else { (1, 4) };
                assert_eq!(report.icmp, Some(kind));
                assert_eq!((report.origin, report.error), (ErrorOrigin::Icmp, OsError::ECONNREFUSED));
                assert_eq!((report.offender, report.to), (Some(loopback(family).address), Some(to)));
                assert_eq!((report.lane, report.flow, report.token), (LaneId::new(lane), 0, None));
                assert_eq!((report.reply_ttl, report.extension), (Some(Ttl::new(64)), None));
                assert_eq!(quote, [token; 20]);
            }
        }
    }

    fn header_fields_of_one_packet_are_on_the_wire() {
        ip("address add 2001:db8::5/128 dev lo nodad");
        let mut run = Run::open(vec![udp(Family::V4), udp(Family::V4), udp(Family::V6), udp(Family::V6)]);
        for (lane, from) in [(0, endpoint("127.0.0.5")), (2, endpoint("2001:db8::5"))] {
            let to = loopback(from.family()).with_port(run.port(lane + 1));
            let header = Header {
                from: Some(from.address),
                ifindex: net::interface_index("lo"),
                ttl: Some(Ttl::new(7)),
                tos: Some(Tos::new(0x48)),
                ..Header::default()
            };
            run.send(1, lane, to, header, b"x");
            let (datagram, octets) = run.datagram(lane + 1);
            assert_eq!((datagram.reply_ttl, datagram.tos), (header.ttl, header.tos));
            assert_eq!(datagram.from, Endpoint::Ip(from.with_port(run.port(lane))));
            assert_eq!((datagram.to, datagram.ifindex), (Some(to.address), header.ifindex));
            assert_eq!(octets, b"x");
            // The next packet has the lane's own again.
            run.send(2, lane, to, Header::default(), b"y");
            let (datagram, _) = run.datagram(lane + 1);
            assert_eq!((datagram.reply_ttl, datagram.tos), (Some(Ttl::new(64)), Some(Tos::new(0))));
        }
    }

    fn header_fields_of_the_lane_are_on_the_wire() {
        for family in FAMILIES {
            let mut plan = udp(family);
            plan.header.ttl = Some(Ttl::new(9));
            plan.header.tos = Some(Tos::new(0xb8));
            plan.source = Some(loopback(family).address);
            plan.interface = Some("lo".into());
            let mut run = Run::open(vec![plan, udp(family)]);
            let to = loopback(family).with_port(run.port(1));
            run.probe(1, 0, to, b"");
            let (datagram, octets) = run.datagram(1);
            assert_eq!((datagram.reply_ttl, datagram.tos), (Some(Ttl::new(9)), Some(Tos::new(0xb8))));
            assert!(octets.is_empty());
        }
    }

    fn an_error_comes_in_band_to_raw_lanes_and_from_the_queue_to_datagram_lanes() {
        allow_icmp_datagram_sockets();
        neighbours_that_never_answer();
        let plans = [SocketChoice::Raw, SocketChoice::Dgram].map(|choice| FAMILIES.map(|family| icmp(family, choice)));
        let mut run = Run::open(plans.concat());
        for (lane, to) in (0..).zip(["10.0.0.2", "2001:db8::2", "10.0.0.3", "2001:db8::3"].map(endpoint)) {
            let v4 = to.family() == Family::V4;
            let mut octets = Vec::new();
            encode::echo_request(&run.profile(lane), Sequence::new(5), b"payload", None, &mut octets);
            let header = Header { ttl: Some(Ttl::new(3)), tos: Some(Tos::new(0x20)), ..Header::default() };
            run.send(1, lane, to, header, &octets);
            let kind = if v4 { [3, 1] } else { [1, 3] };
            if lane < 2 {
                let (_, message) = run.datagram(lane);
                let message = &message[if v4 { 20 } else { 0 }..];
                assert_eq!(message[..2], kind);
                // The quoted header shows what was on the wire.
                let (packet, _) = quoted::parse(&message[8..]).expect("a quote");
                assert_eq!((packet.ttl, packet.tos), (Ttl::new(3), Tos::new(0x20)));
                assert!(!run.came.iter().any(|(item, _)| matches!(item, Inbound::Icmp(_))), "reported twice");
            } else {
                let (report, quote) = run.report();
                assert_eq!(report.icmp, Some(kind.into()));
                assert_eq!((report.to, report.error), (Some(to), OsError::EHOSTUNREACH));
                let Transport::Echo { ident, sequence, payload, .. } = quoted::parse_icmp(to.family(), &quote) else {
                    panic!("{quote:02x?}");
                };
                assert_eq!((ident, sequence, payload), (run.profile(lane).ident.ident, Sequence::new(5), &b"payload"[..]));
            }
        }
    }

    fn flow_labels_are_on_the_wire_even_while_someone_holds_one_exclusively() {
        let labels = [0x12345, 0xabcde, 0x54321].map(FlowLabel::new);
        let mut plan = udp(Family::V6);
        plan.header.flow_label = labels[0];
        let every_error = LanePlan { own_headers: true, socket: SocketChoice::Raw, ..udp(Family::V6) };
        let mut run = Run::open(vec![plan, every_error]);
        let closed = loopback(Family::V6).with_port(33434);
        let mut quoted_label = |token: u64, flow_label| {
            run.send(token, 0, closed, Header { flow_label, ..Header::default() }, b"x");
            // The raw lane sees the ICMPv6 error, with all of the quoted IPv6 header.
            let (_, octets) = run.datagram(1);
            let first_word = octets[8..12].try_into().map(u32::from_be_bytes).expect("four octets");
            FlowLabel::new(first_word & 0xf_ffff)
        };
        assert_eq!(quoted_label(1, None), labels[0]);
        assert_eq!(quoted_label(2, labels[1]), labels[1]);
        let _holder = hold_flow_label(0x11111);
        assert_eq!(quoted_label(3, labels[2]), labels[2]);
        assert_eq!(quoted_label(4, None), labels[0]);
    }

    fn a_packet_of_a_fast_run_that_does_not_fit_leaves_in_fragments() {
        ip("link set lo mtu 1400");
        let mut run = Run::open(vec![LanePlan { send_stamps: SendStamps::None, ..icmp(Family::V4, SocketChoice::Raw) }]);
        for (token, octets) in [(1, 1372), (2, 3000), (3, 56)] {
            run.probe(token, 0, loopback(Family::V4), &vec![0; octets]);
            assert_eq!(run.outcome(token), Ok(()));
            let (_, reply) = run.datagram(0);
            assert_eq!(reply.len(), 20 + 8 + octets);
        }
    }

    fn a_packet_larger_than_the_link_is_refused_with_the_mtu_and_nothing_else() {
        allow_icmp_datagram_sockets();
        ip("link set lo mtu 1400");
        let mut plans = Vec::new();
        for mode in [Fragmentation::Do, Fragmentation::Probe] {
            for family in FAMILIES {
                for plan in [icmp(family, SocketChoice::Raw), icmp(family, SocketChoice::Dgram), udp(family)] {
                    plans.push(LanePlan { fragmentation: Some(mode), ..plan });
                }
            }
        }
        let mut run = Run::open(plans.clone());
        let open = UdpSocket::bind("[::]:0").expect("a free port");
        let port = open.local_addr().expect("an address").port();
        for (lane, plan) in (0..).zip(&plans) {
            let to = loopback(plan.family).with_port(port);
            let payload = 1400 - 8 - if plan.family == Family::V4 { 20 } else { 40 };
            run.probe(1, lane, to, &vec![0; payload + 1]);
            assert_eq!(run.outcome(1), Err((OsError::EMSGSIZE, Mtu::new(1400))), "{plan:?}");
            run.probe(2, lane, to, &vec![0; payload]);
            assert_eq!(run.outcome(2), Ok(()), "{plan:?}");
            if plan.protocol == Protocol::Icmp {
                run.datagram(lane);
            }
            run.receive();
            assert!(!run.came.iter().any(|(item, _)| matches!(item, Inbound::Icmp(_))), "{plan:?}: {:?}", run.came);
        }
    }

    fn a_datagram_no_header_can_express_is_refused_with_the_largest_packet_there_is() {
        let mut run = Run::open(vec![LanePlan { fragmentation: Some(Fragmentation::Do), ..udp(Family::V4) }]);
        run.probe(1, 0, loopback(Family::V4).with_port(9), &[0; 65_508]);
        assert_eq!(run.outcome(1), Err((OsError::EMSGSIZE, Mtu::new(65_535))));
    }

    fn packets_without_df_are_fragmented_and_put_together_again() {
        ip("link set lo mtu 1400");
        for family in FAMILIES {
            let mut plan = udp(family);
            plan.fragmentation = Some(Fragmentation::Dont);
            let mut run = Run::open(vec![plan, udp(family)]);
            let to = loopback(family).with_port(run.port(1));
            run.probe(1, 0, to, &[7; 60_000]);
            let (datagram, octets) = run.datagram(1);
            assert_eq!((octets.len(), datagram.cut), (60_000, false));
        }
    }

    fn orders_that_a_lane_cannot_carry_out_are_refused() {
        let mut run = Run::open(vec![udp(Family::V4)]);
        let [v4, v6] = FAMILIES.map(|family| loopback(family).with_port(9));
        let from_v6 = Header { from: Some(v6.address), ..Header::default() };
        let no_ttl = Header { ttl: Some(Ttl::new(0)), ..Header::default() };
        run.queue(1, 0, v6, Header::default(), b"");
        run.queue(2, 1, v4, Header::default(), b"");
        run.queue(3, 0, v4, from_v6, b"");
        run.queue(4, 0, v4, no_ttl, b"");
        run.queue_flow(5, 0, 0, Endpoint::Unix(Path::new("/nowhere").into()), Header::default(), b"");
        run.queue_flow(6, 0, 1, Endpoint::Ip(v4), Header::default(), b"");
        let (lane, token, to) = (LaneId::new(0), Token::new(7), Endpoint::Ip(v4));
        run.outbox.push(Order::Open(Open { lane, token, to, header: Header::default() }));
        run.outbox.push(Order::Forget { token });
        run.submit();
        use OsError as E;
        let expected = [E::EAFNOSUPPORT, E::EINVAL, E::EINVAL, E::EINVAL, E::EOPNOTSUPP, E::EINVAL, E::EOPNOTSUPP];
        for (token, error) in (1..).zip(expected) {
            assert_eq!(run.outcome(token), Err((error, None)));
        }
        assert!(run.came.is_empty());
    }

    fn an_unreachable_network_refuses_the_probe() {
        let mut run = Run::open(vec![udp(Family::V4), icmp(Family::V6, SocketChoice::Raw)]);
        run.probe(1, 0, endpoint("192.0.2.1").with_port(9), b"");
        assert_eq!(run.outcome(1), Err((OsError::ENETUNREACH, None)));
        run.probe(2, 1, endpoint("2001:db8::1"), b"");
        assert_eq!(run.outcome(2), Err((OsError::ENETUNREACH, None)));
    }

    fn datagrams_the_kernel_dropped_are_counted() {
        let mut run = Run::open(vec![udp(Family::V4), udp(Family::V4)]);
        let to = loopback(Family::V4).with_port(run.port(1));
        let is_datagram = |item: &Inbound| matches!(item, Inbound::Datagram(_));
        let sent = 60;
        for token in 1..=sent {
            run.probe(token, 0, to, &[0; 60_000]);
        }
        run.receive();
        let received = run.came.iter().filter(|(item, _)| is_datagram(item)).count() as u64;
        assert!(received < sent, "nothing was dropped");
// Drops are reported with the next datagram that fits.
        run.came.clear();
        run.probe(sent + 1, 0, to, b"small");
        let came = run.until(is_datagram);
        let dropped: Vec<_> = came.iter().filter(|(item, _)| matches!(item, Inbound::Dropped(_))).collect();
        let [(Inbound::Dropped(dropped), _)] = dropped[..] else { panic!("{came:?}") };
        assert_eq!((dropped.lane, received + dropped.count), (LaneId::new(1), sent));
    }

    fn orders_that_would_block_wait_for_room() {
        link();
        let mut plan = udp(Family::V4);
        plan.send_buffer = Some(1);
        // Opened elsewhere, so that this thread may still change the neighbour.
        let mut run = with_rights(|| Run::open(vec![plan]));
        let to = endpoint("10.0.0.2").with_port(9);
        // Packets to a neighbour whose address is not known yet keep their place in the send buffer.
        for token in 1..=20 {
            run.queue(token, 0, to, Header::default(), &[0; 1000]);
        }
        run.channel.submit(&mut run.outbox).expect("submit");
        assert!((1..20).contains(&run.outbox.len()), "{} left", run.outbox.len());
        run.receive();
        ip("neigh replace 10.0.0.2 lladdr 02:00:00:00:00:02 dev v0");
        let deadline = run.channel.now().mono + Duration::from_secs(10);
        while !run.outbox.is_empty() {
            run.channel.wait(Some(deadline), Precision::Relaxed).expect("wait");
            assert!(run.channel.now().mono < deadline, "there is room, but no event");
            run.channel.submit(&mut run.outbox).expect("submit");
        }
        for token in 1..=20 {
            assert_eq!(run.outcome(token), Ok(()));
        }
    }
}

/// A link 10.0.0.0/24 and 2001:db8::/64, without a host at the other end.
pub fn link() {
    ip("link add v0 type veth peer name v1");
    ip("address add 10.0.0.1/24 dev v0");
    ip("address add 2001:db8::1/64 dev v0 nodad");
    ip("link set v0 up");
    ip("link set v1 up");
}

/// The same link, on which the kernel asks for a neighbour once and gives up after 10 ms.
fn neighbours_that_never_answer() {
    link();
    for family in ["ipv4", "ipv6"] {
        for (name, value) in [("mcast_solicit", "1"), ("retrans_time_ms", "10")] {
            fs::write(format!("/proc/sys/net/{family}/neigh/v0/{name}"), value).expect("a namespace of our own");
        }
    }
}

/// A socket that holds a flow label exclusively, which makes the kernel ask every sender in this namespace for a lease.
fn hold_flow_label(label: u32) -> UdpSocket {
    let socket = UdpSocket::bind("[::1]:0").expect("a free port");
    // struct in6_flowlabel_req: destination ::1, label, action GET, share EXCL, flags CREATE.
    let mut request = [0u8; 32];
    request[15] = 1;
    request[16..20].copy_from_slice(&label.to_be_bytes());
    request[21] = 1;
    request[22..24].copy_from_slice(&1u16.to_ne_bytes());
    let (level, name) = (libc::IPPROTO_IPV6, libc::IPV6_FLOWLABEL_MGR);
    // SAFETY: setsockopt(2): "The arguments optval and optlen are used to access option values"; they name the array.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, request.as_ptr().cast(), 32) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    socket
}
