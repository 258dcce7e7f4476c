//! Whole runs of the responder: whatever arrives, no answer is larger than its request, each goes where its request came
//! from, every client that came also goes, and every run ends.

#![no_main]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use netprobe::channel::{
    Accepted, Closed, ClosedHow, Control, Data, Datagram, Dropped, Inbound, Inbox, LaneId, Order, OsError, Outbox,
    Refused, Token, Transmit,
};
use netprobe::engine::Machine;
use netprobe::respond::{Config, Event, Listener, ListenerKind, Responder, RunFigures};
use netprobe::types::{ClockError, Endpoint, Family, Instant, IpEndpoint, Now, Stamp, Ttl, WallTime};
use netprobe_fuzz::{address, choose};

/// Most actions; after them the run is stopped. Fewer than there are flows: each datagram has its own.
const ACTIONS: u16 = 400;

/// Turns within which every run ends after it was stopped.
const TURNS_TO_END: usize = 100;

/// Every service, at the lane of the same number.
const SERVICES: [ListenerKind; 6] = [
    ListenerKind::Tcp,
    ListenerKind::TcpDiscard,
    ListenerKind::Udp,
    ListenerKind::Stamp,
    ListenerKind::Unix,
    ListenerKind::UnixDgram,
];

/// The lanes from which clients that may be responders are asked, and the octets of a question.
const ASKERS: [(Family, u16); 2] = [(Family::V4, 40), (Family::V6, 41)];
const QUESTION_OCTETS: usize = 8;

/// What a channel sets in the tokens of the connections it accepts.
const ACCEPTED: u64 = 1 << 63;

fuzz_target!(|input: &[u8]| {
    let mut source = Unstructured::new(input);
    let config = config(&mut source);
    let now = Now { mono: Instant::from_nanos(1_000_000_000), wall: WallTime::from_nanos(1_000_000_000) };
    let mut play = Play {
        responder: Responder::new(config),
        now,
        inbox: Inbox::default(),
        outbox: Outbox::default(),
        requests: BTreeMap::new(),
        clients: Vec::new(),
        connections: Vec::new(),
        present: 0,
        summaries: 0,
        source,
    };
    play.run();
});

fn config(source: &mut Unstructured<'_>) -> Config {
    let listener = |(lane, service)| Listener { lane: LaneId::new(lane), service, at: own_end(lane, service) };
    Config {
        listeners: (0..).zip(SERVICES).map(listener).collect(),
        groups: vec![Ipv4Addr::new(239, 1, 2, 3).into()],
        broadcasts: vec![Ipv4Addr::new(192, 0, 2, 255).into()],
        askers: ASKERS.map(|(family, lane)| (family, LaneId::new(lane))).into(),
        seed: 1,
        max_connections: usize::from(choose::<u8>(source) % 4),
        max_sessions: usize::from(choose::<u8>(source) % 4),
        idle: Duration::from_millis(choose::<u16>(source).into()),
        rate: choose::<Option<u8>>(source).map(u32::from),
        drain: Duration::from_millis(choose::<u16>(source).into()),
        stateful: choose(source),
    }
}

fn own_end(lane: u16, service: ListenerKind) -> Endpoint {
    match service {
        ListenerKind::Unix | ListenerKind::UnixDgram => Endpoint::Unix(std::path::Path::new("/run/own").into()),
        _ => Endpoint::Ip(IpEndpoint::from_address(Ipv4Addr::UNSPECIFIED.into()).with_port(7000 + lane)),
    }
}

/// A datagram that may be answered.
struct Request {
    lane: LaneId,
    from: Endpoint,
    octets: usize,
}

/// A connection that was accepted.
#[derive(Default)]
struct Connection {
    received: usize,
    written: usize,
}

/// A run under way.
struct Play<'a> {
    responder: Responder,
    now: Now,
    inbox: Inbox,
    outbox: Outbox,
    /// Datagrams without an answer so far. Each came over a flow of its own, which its answer must name.
    requests: BTreeMap<u16, Request>,
    /// Everybody who sent a datagram.
    clients: Vec<Endpoint>,
    connections: Vec<Connection>,
    /// How many clients have come and not gone.
    present: usize,
    summaries: usize,
    source: Unstructured<'a>,
}

impl<'a> Play<'a> {
    fn run(&mut self) {
        for action in 0..ACTIONS {
            if self.source.is_empty() || self.responder.is_finished() {
                break;
            }
            self.action(action);
            // Several may arrive in one turn, and orders may wait in the channel for many.
            if choose::<u8>(&mut self.source) > 0x40 {
                let taken = choose::<u8>(&mut self.source) % 8;
                self.turn(taken.into());
            }
        }
        self.inbox.push(Inbound::Control(if choose(&mut self.source) {
            Control::Interrupt
        } else {
            Control::Terminate
        }));
        for _ in 0..TURNS_TO_END {
            self.turn(usize::MAX);
            if self.responder.is_finished() {
                assert_eq!((self.present, self.summaries), (0, 1));
                return;
            }
            self.sleep();
        }
        panic!("a stopped run does not end");
    }

    /// One turn as the driver makes it, with a channel that takes a limited number of orders.
    fn turn(&mut self, taken: usize) {
        for inbound in self.inbox.items() {
            self.responder.handle(self.now, inbound, self.inbox.arena());
        }
        self.inbox.clear();
        if self.responder.poll_timeout().is_some_and(|at| at <= self.now.mono) {
            self.responder.handle_timeout(self.now);
        }
        self.outbox.reclaim();
        self.responder.poll_orders(self.now, &mut self.outbox);
        for _ in 0..taken {
            let Some(order) = self.outbox.pop_front() else { break };
            self.take(order);
        }
        while let Some(event) = self.responder.poll_event() {
            self.check(&event);
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Send(send) if ASKERS.iter().any(|(_, lane)| LaneId::new(*lane) == send.lane) => {
                self.take_question(&send);
            }
            Order::Send(send) => self.take_answer(&send),
            Order::Write(write) => {
                let octets = self.outbox.octets(write.octets).len();
                let at = (write.token.get() & !ACCEPTED) as usize;
                let connection = self.connections.get_mut(at).expect("a write to a connection that was accepted");
                connection.written += octets;
                assert!(connection.written <= connection.received, "more written than received");
                if choose(&mut self.source) {
                    self.inbox.push(Inbound::Drained { token: write.token });
                }
            }
            Order::Close { .. } | Order::Pause { .. } | Order::Resume { .. } | Order::Forget { .. } => {}
            Order::Unlisten { .. } => {}
            Order::AskClock => {
                let error = Duration::from_millis(choose(&mut self.source));
                self.inbox.push(Inbound::Clock(
                    choose::<bool>(&mut self.source).then_some(ClockError::new(self.now.wall, error)),
                ));
            }
            Order::AskNeighbour { .. } => panic!("a server sends to those who asked"),
            Order::Open(open) => panic!("a server opens nothing: {open:?}"),
        }
    }

    fn take_answer(&mut self, send: &Transmit) {
        let request = self.requests.remove(&send.flow).expect("one answer to each request at most");
        assert_eq!((send.lane, &send.to), (request.lane, &request.from), "an answer that goes astray");
        let octets = self.outbox.octets(send.octets).len();
        assert!(octets <= request.octets, "{octets} octets in answer to {}", request.octets);
        if choose::<u8>(&mut self.source) > 0xf0 {
            let refused = Refused { token: send.token, error: OsError::EMSGSIZE, mtu: None };
            self.inbox.push(Inbound::Refused(refused));
        }
    }

    /// A question goes to somebody who sent a datagram, and may be sent back.
    fn take_question(&mut self, send: &Transmit) {
        assert!(self.clients.contains(&send.to), "a question to nobody who came: {send:?}");
        let octets = self.outbox.octets(send.octets).to_vec();
        assert_eq!(octets.len(), QUESTION_OCTETS);
        if choose(&mut self.source) {
            self.arrive(send.lane, 0, send.to.clone(), &octets);
        }
    }

    fn check(&mut self, event: &Event) {
        match event {
            Event::Start(_) => self.present += 1,
            Event::End(session) => {
                let traffic = &session.traffic;
                assert!(traffic.sent_octets <= traffic.received_octets, "{traffic:?}");
                assert!(traffic.sent_packets <= traffic.received_packets, "{traffic:?}");
                self.present = self.present.checked_sub(1).expect("only present clients leave");
            }
            Event::Interim(figures) => self.check_figures(figures),
            Event::Summary(figures) => {
                self.check_figures(figures);
                self.summaries += 1;
            }
            Event::Ready { .. } | Event::Draining { .. } => {}
        }
    }

    fn check_figures(&self, figures: &RunFigures) {
        for (listener, counters) in &figures.listeners {
            assert!(counters.sent_octets <= counters.received_octets, "{listener:?} {counters:?}");
            if listener.service.is_datagrams() {
                let decided = counters.sent_packets + counters.send_failed + counters.refused();
                assert_eq!(counters.received_packets, decided, "{listener:?} {counters:?}");
            }
        }
    }

    fn advance(&mut self, span: Duration) {
        self.now.mono = self.now.mono + span;
        self.now.wall = self.now.wall.saturating_add(span);
    }

    fn sleep(&mut self) {
        if let Some(at) = self.responder.poll_timeout() {
            self.advance(at.since(self.now.mono));
        }
    }

    /// Something that happens next.
    fn action(&mut self, number: u16) {
        match choose::<u8>(&mut self.source) % 12 {
            0 => self.sleep(),
            1 => {
                let micros = choose::<u32>(&mut self.source);
                self.advance(Duration::from_micros((micros % 5_000_000).into()));
            }
            2..=5 => self.datagram(number),
            6 => self.accept(),
            7 | 8 => self.data(),
            9 => {
                let how = [ClosedHow::Fin, ClosedHow::Reset, ClosedHow::Failed(OsError::EPERM)];
                let how = how[usize::from(choose::<u8>(&mut self.source)) % how.len()];
                let token = self.token();
                self.inbox.push(Inbound::Closed(Closed { token, stamp: Stamp::user(self.now), how }));
            }
            10 => {
                let token = self.token();
                self.inbox.push(match choose::<u8>(&mut self.source) % 3 {
                    0 => Inbound::Refused(Refused { token, error: OsError::EPERM, mtu: None }),
                    1 => Inbound::Drained { token },
                    _ => {
                        Inbound::Dropped(Dropped { lane: LaneId::new(choose::<u8>(&mut self.source).into()), count: 3 })
                    }
                });
            }
            _ => {
                let controls = [Control::Interim, Control::Interim, Control::Terminate, Control::Stop];
                let control = controls[usize::from(choose::<u8>(&mut self.source)) % controls.len()].clone();
                self.inbox.push(Inbound::Control(control));
            }
        }
    }

    fn datagram(&mut self, flow: u16) {
        let (lane, from) = (self.lane(true), self.peer());
        let octets = self.octets();
        let request = Request { lane, from: from.clone(), octets: octets.len() };
        self.requests.insert(flow, request);
        self.clients.push(from.clone());
        self.arrive(lane, flow, from, octets);
    }

    fn arrive(&mut self, lane: LaneId, flow: u16, from: Endpoint, octets: &[u8]) {
        let kernel = choose::<Option<u64>>(&mut self.source).map(WallTime::from_nanos);
        let to = choose::<bool>(&mut self.source).then(|| self.peer()).and_then(|end| end.ip()).map(|to| to.address);
        let octets = self.inbox.store(octets);
        self.inbox.push(Inbound::Datagram(Datagram {
            lane,
            flow,
            from,
            to,
            ifindex: None,
            reply_ttl: choose::<Option<u8>>(&mut self.source).map(Ttl::new),
            tos: None,
            stamp: Stamp { kernel, ..Stamp::user(self.now) },
            octets,
            cut: choose::<u8>(&mut self.source) > 0xf0,
        }));
    }

    fn accept(&mut self) {
        let token = Token::new(ACCEPTED | self.connections.len() as u64);
        self.connections.push(Connection::default());
        let lane = self.lane(false);
        let peer = self.peer();
        self.inbox.push(Inbound::Accepted(Accepted { lane, token, peer, stamp: Stamp::user(self.now) }));
    }

    fn data(&mut self) {
        let (token, octets) = (self.token(), self.octets());
        if octets.is_empty() {
            return;
        }
        if let Some(connection) = self.connections.get_mut((token.get() & !ACCEPTED) as usize) {
            connection.received += octets.len();
        }
        let octets = self.inbox.store(octets);
        self.inbox.push(Inbound::Data(Data { token, stamp: Stamp::user(self.now), octets }));
    }

    /// A lane for datagrams or for connections, or one without a listener.
    fn lane(&mut self, datagrams: bool) -> LaneId {
        let lane = choose::<u8>(&mut self.source) % 8;
        let other = SERVICES.get(usize::from(lane)).is_some_and(|service| service.is_datagrams() != datagrams);
        LaneId::new(if other { SERVICES.len() as u16 } else { lane.into() })
    }

    /// A connection's token, be it open, closed or never accepted.
    fn token(&mut self) -> Token {
        Token::new(ACCEPTED | u64::from(choose::<u8>(&mut self.source) % 8))
    }

    /// An address that may or may not be a client's.
    fn peer(&mut self) -> Endpoint {
        let host = choose::<u8>(&mut self.source);
        let address = match host % 8 {
            0 => return Endpoint::Unix(std::path::Path::new("").into()),
            1 => return Endpoint::Unix(std::path::Path::new("/run/own").into()),
            2 => return Endpoint::Unix(std::path::Path::new("/run/client").into()),
            3 => Ipv4Addr::BROADCAST.into(),
            4 => Ipv4Addr::new(239, 1, 2, 3).into(),
            5 => Ipv6Addr::from(choose::<u128>(&mut self.source)).into(),
            6 => address(Family::V6, host),
            _ => address(Family::V4, host),
        };
        Endpoint::Ip(IpEndpoint::from_address(address).with_port(choose(&mut self.source)))
    }

    fn octets(&mut self) -> &'a [u8] {
        let length = usize::from(choose::<u8>(&mut self.source));
        self.source.bytes(length.min(self.source.len())).unwrap_or_default()
    }
}
