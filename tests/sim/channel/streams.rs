//! Connections: every way they open, carry octets and end.

use super::*;
use netprobe::channel::{CloseHow, ClosedHow, Open, OsError, Write};
use netprobe::sim::{Direction, Peer, TcpService};
use netprobe::types::Port;

const TCP: u16 = 443;

fn tcp() -> LanePlan {
    LanePlan::new(Family::V4, Protocol::Tcp, SocketChoice::Auto)
}

/// A target 5 ms away with this service on its port.
fn listening(service: TcpService) -> Network {
    let mut network = Network::new(1);
    let router = network.add(US, Node::router(ip(ROUTERS[0])), Link::after(ms(2)));
    network.add(router, target().tcp(TCP, service), Link::after(ms(3)));
    network
}

impl Rig {
    fn connect(&mut self, port: u16, header: Header) -> Token {
        let token = self.token();
        let to = Endpoint::Ip(IpEndpoint::from_address(ip(TARGET)).with_port(port));
        self.order(Order::Open(Open { lane: self.lanes[0], token, to, header }));
        token
    }

    fn write(&mut self, token: Token, octets: &[u8]) {
        let octets = self.outbox.store(|buffer| buffer.extend_from_slice(octets));
        self.order(Order::Write(Write { token, octets }));
    }
}

/// An open connection to this peer, 10 ms after the start.
fn connected(peer: Peer) -> (Rig, Token) {
    let mut rig = Rig::open(&listening(TcpService::Accept(peer)), &[tcp()]);
    let token = rig.connect(TCP, Header::default());
    let seen = rig.answers(ms(10));
    assert!(matches!(seen[..], [Seen { inbound: Inbound::Opened(_), .. }]), "{seen:?}");
    (rig, token)
}

/// What happened, in short: when, what, and its octets.
fn story(seen: &[Seen]) -> Vec<(Duration, String)> {
    seen.iter()
        .map(|seen| {
            let what = match &seen.inbound {
                Inbound::Data(_) => format!("data {}", String::from_utf8_lossy(&seen.octets)),
                Inbound::Drained { .. } => "drained".to_owned(),
                Inbound::Closed(closed) => format!("closed {:?}", closed.how),
                Inbound::Opened(opened) => format!("opened {}", opened.retransmits),
                Inbound::Refused(refused) => format!("refused {}", refused.error.name().unwrap_or("?")),
                other => format!("{other:?}"),
            };
            (seen.at, what)
        })
        .collect()
}

fn line(at: u64, what: &str) -> (Duration, String) {
    (ms(at), what.to_owned())
}

#[test]
fn a_listening_port_opens_after_a_round_trip() {
    let mut rig = Rig::open(&listening(TcpService::Accept(Peer::silent())), &[tcp()]);
    let token = rig.connect(TCP, Header::default());
    let seen = rig.run(ms(30_000));
    let [Seen { inbound: Inbound::Sent(sent), .. }, Seen { at, inbound: Inbound::Opened(opened), .. }] = &seen[..]
    else {
        panic!("{seen:?}")
    };
    assert_eq!((sent.token, sent.local, sent.stamp.user.mono), (token, opened.local, rig.start));
    assert_eq!((*at, opened.token, opened.retransmits), (ms(10), token, 0));
    assert_eq!(opened.stamp.user.mono.since(rig.start), ms(10));
    let syn = &rig.log.packets()[0];
    assert_eq!(syn.ports(), opened.local.map(|local| (local.port_number(), TCP)));
    assert!(syn.checksum_right);
    assert_eq!(opened.local.map(|local| local.address), Some(ip("192.0.2.1")));
}

#[test]
fn a_closed_port_refuses_after_a_round_trip() {
    let mut rig = Rig::open(&listening(TcpService::Accept(Peer::silent())), &[tcp()]);
    rig.connect(81, Header::default());
    assert_eq!(story(&rig.answers(ms(30_000))), [line(10, "closed Reset")]);
}

#[test]
fn a_filtered_port_is_given_up_after_two_more_syns() {
    let mut rig = Rig::open(&listening(TcpService::Silent), &[tcp()]);
    rig.connect(TCP, Header::default());
    assert_eq!(story(&rig.answers(ms(30_000))), [line(3000, "closed Failed(OsError(110))")]);
    assert_eq!(rig.log.times(), [ms(0), ms(1000), ms(2000)]);
}

#[test]
fn a_lost_syn_opens_a_second_late_and_is_counted() {
    let mut network = Network::new(1);
    let node = target().tcp(TCP, TcpService::Accept(Peer::silent()));
    network.add(US, node, Link::after(ms(5)).outward(Direction::after(ms(5)).lose([1])));
    let mut rig = Rig::open(&network, &[tcp()]);
    rig.connect(TCP, Header::default());
    assert_eq!(story(&rig.answers(ms(30_000))), [line(1010, "opened 1")]);
}

#[test]
fn a_syn_that_expires_is_reported_under_its_token() {
    let mut rig = Rig::open(&listening(TcpService::Accept(Peer::silent())), &[tcp()]);
    let token = rig.connect(TCP, with_ttl(1));
    let seen = rig.answers(ms(30_000));
    let [Seen { inbound: Inbound::Icmp(report), at, octets, .. }] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((*at, report.token, report.icmp), (ms(4), Some(token), Some((11, 0))));
    assert_eq!(report.offender, Some(ip(ROUTERS[0])));
    assert_eq!(octets[2..4], TCP.to_be_bytes());
}

#[test]
fn a_connection_without_a_route_or_beyond_the_limit_is_refused() {
    let mut network = listening(TcpService::Accept(Peer::silent()));
    network.max_connections(1);
    let mut rig = Rig::open(&network, &[tcp()]);
    rig.connect(TCP, Header::default());
    rig.connect(TCP, Header::default());
    let nowhere = Endpoint::from(ip("10.99.0.1"));
    let (lane, token) = (rig.lanes[0], rig.token());
    rig.order(Order::Forget { token: Token::new(1) });
    rig.order(Order::Open(Open { lane, token, to: nowhere, header: Header::default() }));
    assert_eq!(story(&rig.answers(ms(100))), [line(0, "refused EMFILE"), line(0, "refused ENETUNREACH")]);
}

#[test]
fn one_source_port_serves_one_connection_to_a_target() {
    let lane = LanePlan { source_port: Port::new(7000), ..tcp() };
    let mut rig = Rig::open(&listening(TcpService::Accept(Peer::silent())), &[lane]);
    rig.connect(TCP, Header::default());
    rig.connect(TCP, Header::default());
    assert_eq!(story(&rig.answers(ms(100))), [line(0, "refused EADDRINUSE"), line(10, "opened 0")]);
    assert_eq!(rig.log.packets()[0].ports(), Some((7000, TCP)));
}

#[test]
fn a_write_is_drained_and_echoed_after_a_round_trip() {
    let (mut rig, token) = connected(Peer::echo());
    rig.write(token, b"hello");
    assert_eq!(story(&rig.answers(ms(1000))), [line(10, "drained"), line(20, "data hello")]);
}

#[test]
fn a_slow_peer_takes_a_write_in_parts() {
    let (mut rig, token) = connected(Peer::echo().takes(4, ms(100)));
    rig.write(token, b"abcdefghij");
    let expected = [line(20, "data abcd"), line(120, "data efgh"), line(210, "drained"), line(220, "data ij")];
    assert_eq!(story(&rig.answers(ms(1000))), expected);
}

#[test]
fn what_is_written_to_a_slow_peer_is_refused_when_it_becomes_too_much() {
    let (mut rig, token) = connected(Peer::silent().takes(1 << 10, ms(1)));
    rig.write(token, &[7; 1 << 20]);
    rig.write(token, b"a little more");
    assert_eq!(story(&rig.answers(ms(11))), [line(10, "refused ENOBUFS")]);
}

#[test]
fn a_greeting_comes_first_and_an_answer_once() {
    let (mut rig, token) = connected(Peer::answer("250 ok").greeting("220 hi"));
    assert_eq!(story(&rig.answers(ms(30))), [line(20, "data 220 hi")]);
    rig.write(token, b"EHLO");
    rig.write(token, b"NOOP");
    assert_eq!(story(&rig.answers(ms(100))), [line(30, "drained"), line(30, "drained"), line(40, "data 250 ok")]);
}

#[test]
fn a_peer_ends_by_fin_or_reset_after_a_time_or_a_number_of_octets() {
    let (mut rig, _) = connected(Peer::silent().ends_after(ms(50), ClosedHow::Fin));
    assert_eq!(story(&rig.answers(ms(1000))), [line(70, "closed Fin")]);
    let (mut rig, token) = connected(Peer::echo().ends_after_octets(3, ClosedHow::Reset));
    rig.write(token, b"ab");
    rig.write(token, b"cd");
    let expected =
        [line(10, "drained"), line(10, "drained"), line(20, "data ab"), line(20, "data cd"), line(20, "closed Reset")];
    assert_eq!(story(&rig.answers(ms(1000))), expected);
}

#[test]
fn what_is_written_after_the_peer_ended_still_leaves() {
    let (mut rig, token) = connected(Peer::silent().greeting("bye").ends_after(ms(0), ClosedHow::Fin));
    assert_eq!(story(&rig.answers(ms(500))), [line(20, "data bye"), line(20, "closed Fin")]);
    rig.write(token, b"bye");
    assert_eq!(story(&rig.answers(ms(1000))), [line(500, "drained")]);
}

#[test]
fn a_paused_connection_keeps_its_data_until_it_is_resumed() {
    let (mut rig, token) = connected(Peer::silent().greeting("late").ends_after(ms(5), ClosedHow::Fin));
    rig.order(Order::Pause { token });
    assert_eq!(story(&rig.answers(ms(500))), []);
    rig.order(Order::Resume { token });
    assert_eq!(story(&rig.answers(ms(1000))), [line(500, "data late"), line(500, "closed Fin")]);
}

#[test]
fn a_closed_or_forgotten_connection_reports_nothing_more() {
    for order in [CloseHow::Fin, CloseHow::Reset]
        .map(|how| Order::Close { token: Token::new(1), how })
        .into_iter()
        .chain([Order::Forget { token: Token::new(1) }])
    {
        let (mut rig, token) = connected(Peer::silent().greeting("hi").ends_after(ms(5), ClosedHow::Fin));
        rig.order(order);
        assert_eq!(story(&rig.answers(ms(1000))), []);
        rig.write(token, b"too late");
        let seen = rig.answers(ms(1001));
        let [Seen { inbound: Inbound::Refused(refused), .. }] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!((refused.token, refused.error), (token, OsError::from_code(107)));
    }
}
