//! A path in virtual time for this room's tests: a script says what comes back for each probe, and when.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::channel::{
    Arena, Datagram, ErrorOrigin, ErrorPath, IcmpNotice, Inbound, LaneHeader, LaneId, LaneIdent, Layer, Order, OsError,
    Outbox, Owner, Profile, Protocol, SendStamps, Sent, SocketKind,
};
use crate::engine::outcome::{
    Delay, Detail, IcmpError, MethodKind, Outcome, ProbeEvent, Quote, Reply, Subject, SubjectId,
};
use crate::engine::{Destination, Machine, Target};
use crate::trace::config::Config;
use crate::trace::ends::Began;
use crate::trace::event::Event;
use crate::trace::hop::{Hop, HopProbe, Responder, Response};
use crate::trace::path::hop::Arrival;
use crate::trace::result::Trace;
use crate::trace::tracer::Tracer;
use crate::types::{Endpoint, Family, Ident, Instant, IpEndpoint, Now, ProbeId, Stamp, StampSource, Ttl, WallTime};
use crate::wire::icmp::ErrorKind;

pub(super) const TARGET: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9));
pub(super) const LANE: LaneId = LaneId::new(0);
const IDENT: u16 = 0x4321;
/// Wall time at the origin of the monotonic clock.
const EPOCH: u64 = 1_700_000_000_000_000_000;

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn at(time: Duration) -> Now {
    let nanos = u64::try_from(time.as_nanos()).unwrap();
    Now { mono: Instant::from_nanos(nanos), wall: WallTime::from_nanos(EPOCH + nanos) }
}

/// The router at `ttl`.
pub(super) fn router(ttl: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, ttl))
}

/// An ICMP or UDP datagram socket, as the kernel gives them without privileges.
pub(super) fn profile(protocol: Protocol) -> Profile {
    let layer = if protocol == Protocol::Icmp { Layer::Transport } else { Layer::Payload };
    Profile {
        family: Family::V4,
        protocol,
        socket: SocketKind::Dgram,
        received_at: layer,
        quote_at: layer,
        ident: LaneIdent { ident: Ident::new(IDENT), owner: Owner::Kernel, exclusive: true },
        checksum: Owner::Kernel,
        errors: ErrorPath::Queue,
        max_open: 1,
        send_stamps: SendStamps::None,
        header: LaneHeader { own_ip: true, ..LaneHeader::NONE },
    }
}

/// A raw ICMP socket, whose identifier is ours alone or not.
pub(super) fn raw(exclusive: bool) -> Profile {
    Profile {
        socket: SocketKind::Raw,
        received_at: Layer::Ip,
        ident: LaneIdent { ident: Ident::new(IDENT), owner: Owner::Ours, exclusive },
        checksum: Owner::Ours,
        errors: ErrorPath::InBand,
        ..profile(Protocol::Icmp)
    }
}

/// The defaults of `rtrace` without names, for one target over a lane with this profile.
pub(super) fn config(profile: Profile) -> Config {
    let endpoint = IpEndpoint::from_address(TARGET);
    let destination = Destination::Reachable { endpoint, source: None, lane: LANE, profile: Arc::new(profile) };
    Config {
        targets: vec![Target {
            zone: None,
            target: "example.net".into(),
            name: "example.net".into(),
            numeric: false,
            destination,
        }],
        packet_octets: Some(60),
        seed: 7,
        ..Config::default()
    }
}

/// The beginning of a trace to [`TARGET`].
pub(super) fn began() -> Began {
    let destination = Destination::Unroutable { endpoint: IpEndpoint::from_address(TARGET) };
    let target =
        Target { zone: None, target: "example.net".into(), name: "example.net".into(), numeric: false, destination };
    let subject = Subject::new(SubjectId::new(0), &target, MethodKind::Icmp, Arc::default());
    Began { subject: Arc::new(subject), max_ttl: Ttl::new(30), time: WallTime::from_nanos(EPOCH) }
}

/// An ICMP error of this kind from `responder`, or a datagram.
pub(super) fn arrival(responder: IpAddr, kind: Option<ErrorKind>, stamp: Stamp) -> Arrival {
    let error = |kind| IcmpError {
        origin: ErrorOrigin::Icmp,
        kind,
        icmp: Some((3, 0)),
        info: 0,
        mtu: None,
        gateway: None,
        quote: Quote::default(),
        extensions: Vec::new(),
    };
    let datagram = Outcome::Reply(Reply::new(0, Detail::Datagram));
    Arrival::new(responder, stamp, kind.map_or(datagram, |kind| Outcome::Error(Box::new(error(kind)))))
}

/// A final hop at `ttl` whose responder answered by `kind` after each of these times.
pub(super) fn hop(ttl: u8, responder: IpAddr, kind: Option<ErrorKind>, rtts: &[Duration]) -> Hop {
    let outcome = arrival(responder, kind, Stamp::user(at(ms(0)))).outcome;
    let probe = |(number, &rtt): (u32, &Duration)| {
        let event = ProbeEvent::new(&began().subject, ProbeId::new(number.into()), at(ms(0)).wall, outcome.clone());
        let delay = Delay { rtt: rtt.into(), stamp: StampSource::User, user: rtt.into(), local_queue: None };
        let event = ProbeEvent { responder: Some(responder), delay: Some(delay), ..event };
        HopProbe { number, again: false, event: Arc::new(event) }
    };
    let responders = vec![Responder { address: responder, name: None, origins: None, as_name: None }];
    Hop {
        ttl: Ttl::new(ttl),
        probes: (1..).zip(rtts).map(probe).collect(),
        responders: responders.into_iter().filter(|_| !rtts.is_empty()).collect(),
        mtu: None,
    }
}

/// A probe as it left.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    pub ttl: u8,
    pub to: IpEndpoint,
    pub flow: u16,
    pub octets: Vec<u8>,
}

impl Probe {
    /// What comes back from a path of `hops` hops.
    pub fn answer(&self, hops: u8) -> Back {
        match self.ttl {
            ttl if ttl < hops => Back::Icmp(router(ttl), 11, 0),
            _ if self.to.port.is_none() => Back::Reply(TARGET),
            _ => Back::Icmp(TARGET, 3, 3),
        }
    }

    /// The octets of an echo reply to this probe.
    pub fn echoed(&self) -> Vec<u8> {
        let mut octets = self.octets.clone();
        octets[0] = 0;
        octets
    }
}

/// Something that comes back for a probe.
pub(super) enum Back {
    /// An echo reply or, over UDP, a datagram.
    Reply(IpAddr),
    /// An ICMP error of this type and code, with 8 octets of the probe.
    Icmp(IpAddr, u8, u8),
    /// Anything.
    Other(Box<dyn FnOnce(&mut Arena) -> Inbound>),
}

/// What comes back for one probe, and after which time.
type Script = Box<dyn FnMut(&Probe) -> Vec<(Duration, Back)>>;

/// A machine, its network and its clock.
pub(super) struct Lab {
    pub events: Vec<Event>,
    tracer: Tracer,
    time: Duration,
    script: Script,
    coming: BTreeMap<(Duration, usize), (Back, Probe)>,
    numbered: usize,
}

impl Lab {
    /// Plays `config` to its end against `script`, for a virtual minute at most.
    pub fn play(config: Config, script: impl FnMut(&Probe) -> Vec<(Duration, Back)> + 'static) -> Lab {
        let mut lab = Lab {
            events: Vec::new(),
            tracer: Tracer::new(config),
            time: Duration::ZERO,
            script: Box::new(script),
            coming: BTreeMap::new(),
            numbered: 0,
        };
        let mut outbox = Outbox::default();
        while lab.time < ms(60_000) {
            if lab.turn(&mut outbox) {
                return lab;
            }
        }
        panic!("the machine does not end: {:?}", lab.tracer);
    }

    /// The end of the only trace.
    pub fn end(&self) -> &Trace {
        let Some(Event::Ended(end)) = self.events.last() else { panic!("{:?}", self.events) };
        end
    }

    /// Every answer of the only trace, with its TTL.
    pub fn answers(&self) -> Vec<(u8, Response<'_>)> {
        let mut answers = Vec::new();
        for hop in &self.end().hops {
            answers.extend(hop.responses().map(|response| (hop.ttl.get(), response)));
        }
        answers
    }

    /// One turn of the driver's loop; true when the machine is finished.
    fn turn(&mut self, outbox: &mut Outbox) -> bool {
        self.receive();
        let now = at(self.time);
        if self.tracer.poll_timeout().is_some_and(|at| at <= now.mono) {
            self.tracer.handle_timeout(now);
        }
        outbox.reclaim();
        self.tracer.poll_orders(now, outbox);
        let sent = !outbox.is_empty();
        self.submit(outbox);
        self.events.extend(std::iter::from_fn(|| self.tracer.poll_event()));
        if self.tracer.is_finished() {
            return true;
        }
        if !sent {
            self.wait();
        }
        false
    }

    fn wait(&mut self) {
        let timeout = self.tracer.poll_timeout().map(|at| Duration::from_nanos(at.as_nanos()));
        let coming = self.coming.keys().next().map(|key| key.0);
        let next = [timeout, coming].into_iter().flatten().min().expect("the machine waits for nothing");
        assert!(next > self.time, "the machine spins at {:?}", self.time);
        self.time = next;
    }

    fn receive(&mut self) {
        while let Some(entry) = self.coming.first_entry().filter(|entry| entry.key().0 <= self.time) {
            let (back, probe) = entry.remove();
            let mut arena = Arena::default();
            let inbound = inbound(back, &probe, at(self.time), &mut arena);
            self.tracer.handle(at(self.time), &inbound, &arena);
        }
    }

    fn submit(&mut self, outbox: &mut Outbox) {
        while let Some(order) = outbox.pop_front() {
            let Order::Send(send) = order else { panic!("{order:?}") };
            let Endpoint::Ip(to) = send.to else { panic!("{send:?}") };
            let octets = outbox.octets(send.octets).to_vec();
            let probe = Probe { ttl: send.header.ttl.map_or(0, Ttl::get), to, flow: send.flow, octets };
            let sent = Sent { token: send.token, stamp: Stamp::user(at(self.time)), scheduled: None, local: None };
            let sent = (Duration::ZERO, Back::Other(Box::new(move |_| Inbound::Sent(sent))));
            for (delay, back) in std::iter::once(sent).chain((self.script)(&probe)) {
                self.numbered += 1;
                self.coming.insert((self.time + delay, self.numbered), (back, probe.clone()));
            }
        }
    }
}

fn inbound(back: Back, probe: &Probe, now: Now, arena: &mut Arena) -> Inbound {
    match back {
        Back::Other(make) => make(arena),
        Back::Icmp(offender, icmp_type, icmp_code) => {
            let quote: &[u8] = if probe.to.port.is_none() { probe.octets.get(..8).unwrap_or_default() } else { &[] };
            let report = report(probe, Stamp::user(now), offender, (icmp_type, icmp_code));
            Inbound::Icmp(IcmpNotice { quote: arena.push(quote), ..report })
        }
        Back::Reply(from) => {
            let octets = if probe.to.port.is_none() { probe.echoed() } else { b"hello".to_vec() };
            let from = IpEndpoint::from_address(from).with_port(probe.to.port_number());
            datagram(arena, from, probe.flow, Stamp::user(now), &octets)
        }
    }
}

/// An error-queue report about `probe` that quotes nothing.
pub(super) fn report(probe: &Probe, stamp: Stamp, offender: IpAddr, icmp: (u8, u8)) -> IcmpNotice {
    IcmpNotice {
        lane: LANE,
        flow: probe.flow,
        token: None,
        to: Some(probe.to),
        origin: ErrorOrigin::Icmp,
        offender: Some(offender),
        icmp: Some(icmp),
        error: OsError::EHOSTUNREACH,
        info: 0,
        reply_ttl: Some(Ttl::new(60)),
        tos: None,
        stamp,
        quote: Default::default(),
        extension: None,
    }
}

pub(super) fn datagram(arena: &mut Arena, from: IpEndpoint, flow: u16, stamp: Stamp, octets: &[u8]) -> Inbound {
    Inbound::Datagram(Datagram {
        lane: LANE,
        flow,
        from: Endpoint::Ip(from),
        to: None,
        ifindex: None,
        reply_ttl: Some(Ttl::new(60)),
        tos: None,
        stamp,
        octets: arena.push(octets),
        cut: false,
    })
}
