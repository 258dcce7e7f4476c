//! A path in virtual time for this room's tests: a script says what comes back for each probe, and when.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::config::{Config, Ports};
use super::event::{Event, Hop, Trace};
use super::tracer::Tracer;
use crate::channel::{
    Arena, Control, Datagram, ErrorOrigin, ErrorPath, IcmpReport, Inbound, LaneId, LaneIdent, Layer, NameAnswer, Order,
    OsError, Outbox, Owner, Profile, Protocol, Refused, Sent, SocketKind, Token,
};
use crate::engine::{Machine, Place, Target};
use crate::types::{Endpoint, Family, Ident, Instant, IpEndpoint, Now, Port, Stamp, Ttl, WallTime};

pub(super) const TARGET: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9));
const IDENT: u16 = 0x4321;
/// Wall time at the origin of the monotonic clock.
const EPOCH: u64 = 1_700_000_000_000_000_000;

/// A time on the virtual clock.
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

/// An ICMP or UDP datagram socket, as the kernel gives them to anybody.
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
    }
}

pub(super) fn target(address: IpAddr, profile: Profile) -> Target {
    let place =
        Place::Reachable { endpoint: IpEndpoint::from_address(address), source: None, lane: LaneId::new(0), profile };
    Target { target: "example.net".into(), name: "example.net".into(), numeric: false, place }
}

/// The defaults of `rtrace`, without names.
pub(super) fn config(protocol: Protocol) -> Config {
    Config {
        targets: vec![target(TARGET, profile(protocol))],
        first_ttl: Ttl::new(1),
        max_ttl: Ttl::new(30),
        probes_per_hop: 3,
        in_flight: None,
        wait: None,
        send_gap: None,
        paced: true,
        gap_limit: None,
        ports: Ports::CountingUp(Port::new(33434).unwrap()),
        packet_octets: 60,
        names: false,
        flow: 0,
        seed: 7,
    }
}

/// A probe as it left.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    pub time: Duration,
    pub token: Token,
    pub ttl: u8,
    pub to: IpEndpoint,
    pub flow: u16,
    pub octets: Vec<u8>,
}

/// Something that comes back.
#[derive(Clone, Debug)]
pub(super) enum Back {
    /// An echo reply or, over UDP, a datagram.
    Reply(IpAddr),
    /// An ICMP error of this type and code.
    Icmp(IpAddr, u8, u8),
    /// Anything.
    Raw(Inbound),
}

/// What comes back for one probe, after which time.
pub(super) type Script = Box<dyn FnMut(&Probe) -> Vec<(Duration, Back)>>;

/// A machine, its network and its clock.
pub(super) struct Lab {
    pub tracer: Tracer,
    pub probes: Vec<Probe>,
    pub events: Vec<(Duration, Event)>,
    /// What the kernel says to a probe instead of sending it.
    pub refuse: Option<OsError>,
    time: Duration,
    protocol: Protocol,
    script: Script,
    coming: BTreeMap<(Duration, usize), (Back, Option<Probe>)>,
    numbered: usize,
}

impl Lab {
    pub fn new(config: Config, script: impl FnMut(&Probe) -> Vec<(Duration, Back)> + 'static) -> Lab {
        let protocol = config.targets.first().map_or(Protocol::Icmp, |target| match target.place {
            Place::Reachable { profile, .. } => profile.protocol,
            _ => Protocol::Icmp,
        });
        Lab {
            tracer: Tracer::new(config),
            probes: Vec::new(),
            events: Vec::new(),
            refuse: None,
            time: Duration::ZERO,
            protocol,
            script: Box::new(script),
            coming: BTreeMap::new(),
            numbered: 0,
        }
    }

    /// Lets `control` come at `time`.
    pub fn control(&mut self, time: Duration, control: Control) {
        self.come(time, Back::Raw(Inbound::Control(control)), None);
    }

    /// Lets the resolver answer at `time`.
    pub fn name(&mut self, time: Duration, address: IpAddr, name: Option<&str>, timed_out: bool) {
        self.control(time, Control::Name(NameAnswer { address, name: name.map(Box::from), timed_out }));
    }

    /// Runs to the end, at most a virtual minute.
    pub fn run(mut self) -> Lab {
        let mut outbox = Outbox::default();
        while self.time < ms(60_000) {
            self.receive();
            let now = at(self.time);
            if self.tracer.poll_timeout().is_some_and(|at| at <= now.mono) {
                self.tracer.handle_timeout(now);
            }
            outbox.reclaim();
            self.tracer.poll_orders(now, &mut outbox);
            let sent = !outbox.is_empty();
            self.submit(&mut outbox);
            while let Some(event) = self.tracer.poll_event() {
                self.events.push((self.time, event));
            }
            if self.tracer.is_finished() {
                return self;
            }
            if !sent {
                self.wait();
            }
        }
        panic!("the machine does not end: {:?}", self.tracer);
    }

    fn wait(&mut self) {
        let timeout = self.tracer.poll_timeout().map(|at| Duration::from_nanos(at.as_nanos()));
        let coming = self.coming.keys().next().map(|key| key.0);
        let next = [timeout, coming].into_iter().flatten().min().expect("the machine waits for nothing");
        assert!(next > self.time, "the machine spins at {:?}", self.time);
        self.time = next;
    }

    fn come(&mut self, time: Duration, back: Back, probe: Option<Probe>) {
        self.numbered += 1;
        self.coming.insert((time, self.numbered), (back, probe));
    }

    fn receive(&mut self) {
        while let Some(entry) = self.coming.first_entry().filter(|entry| entry.key().0 <= self.time) {
            let (back, probe) = entry.remove();
            let mut arena = Arena::default();
            let inbound = inbound(back, probe.as_ref(), self.protocol, self.time, &mut arena);
            self.tracer.handle(at(self.time), &inbound, &arena);
        }
    }

    fn submit(&mut self, outbox: &mut Outbox) {
        while let Some(order) = outbox.pop_front() {
            let Order::Send(send) = order else { panic!("{order:?}") };
            let Endpoint::Ip(to) = send.to else { panic!("{send:?}") };
            let octets = outbox.octets(send.octets).to_vec();
            let ttl = send.header.ttl.map_or(0, Ttl::get);
            let probe = Probe { time: self.time, token: send.token, ttl, to, flow: send.flow, octets };
            if let Some(error) = self.refuse {
                let refused = Refused { token: send.token, error, mtu: None };
                self.come(self.time, Back::Raw(Inbound::Refused(refused)), None);
                continue;
            }
            let sent = Sent { token: send.token, stamp: Stamp::user(at(self.time)), scheduled: None };
            self.come(self.time, Back::Raw(Inbound::Sent(sent)), None);
            for (delay, back) in (self.script)(&probe) {
                self.come(self.time + delay, back, Some(probe.clone()));
            }
            self.probes.push(probe);
        }
    }

    /// The end of the only trace, and when it was told.
    pub fn end(&self) -> (Duration, &Trace) {
        let ends: Vec<(Duration, &Trace)> = self.ends();
        assert_eq!(ends.len(), 1, "{ends:?}");
        ends[0]
    }

    pub fn ends(&self) -> Vec<(Duration, &Trace)> {
        let mut ends = Vec::new();
        for (time, event) in &self.events {
            if let Event::End(trace) = event {
                ends.push((*time, &**trace));
            }
        }
        ends
    }

    /// The hops told, and when.
    pub fn hops(&self) -> Vec<(Duration, &Hop)> {
        let mut hops = Vec::new();
        for (time, event) in &self.events {
            if let Event::Hop(_, hop) = event {
                hops.push((*time, &**hop));
            }
        }
        hops
    }

    /// How many probes left with a TTL above `ttl`.
    pub fn beyond(&self, ttl: u8) -> usize {
        self.probes.iter().filter(|probe| probe.ttl > ttl).count()
    }
}

fn inbound(back: Back, probe: Option<&Probe>, protocol: Protocol, time: Duration, arena: &mut Arena) -> Inbound {
    let sent = probe.map(|probe| probe.octets.clone()).unwrap_or_default();
    let (flow, to) = probe.map_or((0, None), |probe| (probe.flow, Some(probe.to)));
    let stamp = Stamp::user(at(time));
    let (lane, reply_ttl) = (LaneId::new(0), Some(Ttl::new(60)));
    match back {
        Back::Raw(inbound) => inbound,
        Back::Icmp(offender, icmp_type, icmp_code) => Inbound::Icmp(IcmpReport {
            lane,
            flow,
            token: None,
            to,
            origin: ErrorOrigin::Icmp,
            offender: Some(offender),
            icmp_type,
            icmp_code,
            error: OsError::EHOSTUNREACH,
            info: 0,
            reply_ttl,
            tos: None,
            stamp,
            quote: arena.push(if protocol == Protocol::Icmp { sent.get(..8).unwrap_or_default() } else { &[] }),
            extension: None,
        }),
        Back::Reply(from) => {
            let mut octets = sent;
            if protocol == Protocol::Icmp {
                // Type echo request becomes echo reply; the kernel has checked the checksum.
                octets[0] = 0;
            }
            let port = to.map_or(0, |to| to.port);
            Inbound::Datagram(Datagram {
                lane,
                flow,
                from: Endpoint::Ip(IpEndpoint::from_address(from).with_port(port)),
                to: None,
                ifindex: None,
                reply_ttl,
                tos: None,
                stamp,
                octets: arena.push(&octets),
                cut: false,
            })
        }
    }
}
