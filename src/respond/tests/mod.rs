//! The responder as its channel sees it: hand-made inbounds in, orders and events out.

mod datagrams;
mod streams;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::{Config, Counters, Event, Listener, ListenerKind, Responder, Session};
use crate::channel::{
    Accepted, Closed, ClosedHow, Control, Data, Datagram, Inbound, Inbox, LaneId, Order, Outbox, Token,
};
use crate::engine::Machine;
use crate::types::{ClockError, Endpoint, Family, Instant, IpEndpoint, Now, Stamp, Ttl, WallTime};

/// An order with its octets.
type Ordered = (Order, Vec<u8>);

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn endpoint(address: &str, port: u16) -> Endpoint {
    Endpoint::Ip(IpEndpoint::from_address(ip(address)).with_port(port))
}

fn local(path: &str) -> Endpoint {
    Endpoint::Unix(std::path::Path::new(path).into())
}

fn now_at(millis: u64) -> Now {
    let nanos = 1_000_000_000_000 + millis * 1_000_000;
    Now { mono: Instant::from_nanos(nanos), wall: WallTime::from_nanos(1_795_333_633_000_000_000 + nanos) }
}

/// Every service once, at the lane of the same number.
const SERVICES: [(ListenerKind, &str, u16); 6] = [
    (ListenerKind::Tcp, "0.0.0.0", 7),
    (ListenerKind::TcpDiscard, "0.0.0.0", 9),
    (ListenerKind::Udp, "0.0.0.0", 7007),
    (ListenerKind::Stamp, "0.0.0.0", 862),
    (ListenerKind::Unix, "/run/x", 0),
    (ListenerKind::UnixDgram, "/run/y", 0),
];

/// The lane from which clients are asked.
const ASKER: LaneId = LaneId::new(6);

fn config() -> Config {
    let listener = |(lane, (service, at, port)): (u16, (ListenerKind, &str, u16))| Listener {
        lane: LaneId::new(lane),
        service,
        at: if at.starts_with('/') { local(at) } else { endpoint(at, port) },
    };
    Config {
        listeners: (0..).zip(SERVICES).map(listener).collect(),
        groups: vec![ip("239.1.2.3")],
        broadcasts: vec![ip("192.0.2.255")],
        askers: vec![(Family::V4, ASKER)],
        seed: 1,
        max_connections: 3,
        max_sessions: 5,
        idle: Duration::from_secs(60),
        rate: Some(10),
        drain: Duration::from_secs(5),
        stateful: false,
    }
}

/// A responder, its clock, its orders and its events.
struct Bench {
    responder: Responder,
    now: Now,
    inbox: Inbox,
    outbox: Outbox,
    events: Vec<Event>,
    /// The answer to its questions about the clock.
    clock_error: Option<ClockError>,
}

impl Bench {
    fn new(config: Config) -> Self {
        let mut bench = Bench::before_its_first_turn(config);
        bench.turn();
        bench
    }

    fn before_its_first_turn(config: Config) -> Self {
        Bench {
            responder: Responder::new(config),
            now: now_at(0),
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            events: Vec::new(),
            clock_error: None,
        }
    }

    fn lane(service: ListenerKind) -> LaneId {
        let at = SERVICES.iter().position(|(one, ..)| *one == service).expect("every service is there");
        LaneId::new(at as u16)
    }

    fn at(&mut self, millis: u64) {
        self.now = now_at(millis);
    }

    fn datagram(&mut self, service: ListenerKind, from: Endpoint, octets: &[u8]) {
        let octets = self.inbox.store(octets);
        let ours = from.ip().map(|_| ip("192.0.2.7"));
        self.inbox.push(Inbound::Datagram(Datagram {
            lane: Bench::lane(service),
            flow: 0,
            from,
            to: ours,
            ifindex: NonZeroU32::new(2),
            reply_ttl: Some(Ttl::new(61)),
            tos: None,
            stamp: Stamp::user(self.now),
            octets,
            cut: false,
        }));
    }

    fn accept(&mut self, service: ListenerKind, client: u64) -> Token {
        let token = Token::new(1 << 63 | client);
        self.inbox.push(Inbound::Accepted(Accepted {
            lane: Bench::lane(service),
            token,
            peer: endpoint("198.51.100.1", 40_000 + client as u16),
            stamp: Stamp::user(self.now),
        }));
        token
    }

    fn data(&mut self, token: Token, octets: &[u8]) {
        let octets = self.inbox.store(octets);
        self.inbox.push(Inbound::Data(Data { token, stamp: Stamp::user(self.now), octets }));
    }

    fn drained(&mut self, token: Token) {
        self.inbox.push(Inbound::Drained { token });
    }

    fn closed(&mut self, token: Token, how: ClosedHow) {
        self.inbox.push(Inbound::Closed(Closed { token, stamp: Stamp::user(self.now), how }));
    }

    fn control(&mut self, control: Control) {
        self.inbox.push(Inbound::Control(control));
    }

    /// One turn of the driver, with a channel that takes every order. What is asked about the clock is answered.
    fn turn(&mut self) -> Vec<Ordered> {
        self.handle();
        self.outbox.reclaim();
        self.responder.poll_orders(self.now, &mut self.outbox);
        let mut ordered = Vec::new();
        while let Some(order) = self.outbox.pop_front() {
            if order == Order::AskClock {
                self.responder.handle(self.now, &Inbound::Clock(self.clock_error), self.inbox.arena());
                continue;
            }
            let span = match &order {
                Order::Send(send) => send.octets,
                Order::Write(write) => write.octets,
                _ => Default::default(),
            };
            ordered.push((order, self.outbox.octets(span).to_vec()));
        }
        ordered
    }

    /// The first half of a turn: what arrived, and the time.
    fn handle(&mut self) {
        for inbound in self.inbox.items() {
            self.responder.handle(self.now, inbound, self.inbox.arena());
        }
        self.inbox.clear();
        if self.responder.poll_timeout().is_some_and(|at| at <= self.now.mono) {
            self.responder.handle_timeout(self.now);
        }
        while let Some(event) = self.responder.poll_event() {
            self.events.push(event);
        }
    }

    /// The datagrams ordered in one turn: to whom, and what.
    fn answers(&mut self) -> Vec<(Endpoint, Vec<u8>)> {
        let sent = |(order, octets): Ordered| match order {
            Order::Send(send) => (send.to, octets),
            other => panic!("no answer: {other:?}"),
        };
        self.turn().into_iter().map(sent).collect()
    }

    /// The figures of one service.
    fn counters(&mut self, service: ListenerKind) -> Counters {
        self.control(Control::Interim);
        self.turn();
        let Some(Event::Interim(figures)) = self.events.pop() else { panic!("no figures") };
        figures.listeners[Bench::lane(service).index()].1
    }

    /// The sessions that ended.
    fn ended(&self) -> Vec<&Session> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::End(session) => Some(session.as_ref()),
                _ => None,
            })
            .collect()
    }
}

#[test]
fn the_first_event_says_what_is_served() {
    let mut bench = Bench::new(config());
    bench.turn();
    let [Event::Ready { listeners, .. }] = bench.events.as_slice() else { panic!("{:?}", bench.events) };
    assert_eq!(listeners.len(), SERVICES.len());
}

#[test]
fn an_interrupt_ends_the_run_with_every_session_and_the_figures() {
    let mut bench = Bench::new(config());
    bench.accept(ListenerKind::Tcp, 1);
    bench.datagram(ListenerKind::Udp, endpoint("198.51.100.1", 5000), b"x");
    bench.turn();
    bench.control(Control::Interrupt);
    bench.turn();
    assert!(bench.responder.is_finished());
    assert_eq!(bench.ended().len(), 2);
    assert!(matches!(bench.events.last(), Some(Event::Summary(figures)) if figures.connections == 0));
}

#[test]
fn without_connections_a_request_to_finish_ends_the_run_at_once() {
    let mut bench = Bench::new(config());
    bench.control(Control::Terminate);
    bench.turn();
    assert!(bench.responder.is_finished());
}
