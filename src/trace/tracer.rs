//! A run of traces as a Machine: [`Tracer`].

use std::collections::{BTreeMap, VecDeque};

use super::book::{Book, Entry, SentFields};
use super::config::{Config, Ports};
use super::event::{Event, Start, StopReason, Trace, TraceId};
use super::flow;
use super::hop::Arrival;
use super::matching::{Mark, Match, Search};
use super::names::Names;
use super::run::{Packets, Run};
use super::schedule::Next;
use crate::channel::{
    Arena, CloseHow, ClosedHow, Control, Header, Inbound, LaneId, Open, Order, Outbox, Profile, Protocol, Send,
    SocketKind, Token,
};
use crate::engine::pace::Cap;
use crate::engine::{Machine, Place, encode};
use crate::types::{Endpoint, Family, Instant, IpEndpoint, Now, ProbeId, Stamp, Ttl};

/// How many traces run at once; the others wait their turn.
const AT_ONCE: usize = 16;

/// How the packets of one trace leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub target: IpEndpoint,
    pub lane: LaneId,
    pub profile: Profile,
    pub packets: Packets,
}

/// Traces the path to each target; see [`crate::trace`] for how.
#[derive(Debug)]
pub struct Tracer {
    config: Config,
    mark: Mark,
    book: Book,
    names: Names,
    /// Targets whose trace has not begun, by index, in argument order.
    queue: VecDeque<usize>,
    /// Traces under way, by the index of their target.
    runs: BTreeMap<usize, Run>,
    events: VecDeque<Event>,
    /// What all traces together may send.
    cap: Option<Cap>,
    /// When something is to be done next.
    wake: Option<Instant>,
    payload: Vec<u8>,
    /// Connections that have told what they can.
    hang_up: Vec<Token>,
}

impl Tracer {
    /// A run of traces. A `first_ttl`, `probes_per_hop`, `in_flight` or `gap_limit` of 0 is taken as 1, a `max_ttl` below
    /// `first_ttl` as `first_ttl`, and a packet size as the nearest a packet can have.
    pub fn new(config: Config) -> Tracer {
        Tracer {
            mark: Mark::new(&config, config.seed),
            book: Book::default(),
            names: Names::new(config.names),
            queue: (0..config.targets.len()).collect(),
            runs: BTreeMap::new(),
            events: VecDeque::new(),
            cap: config.rate.and_then(|rate| Cap::new(Instant::ZERO, rate)),
            wake: Some(Instant::ZERO),
            payload: Vec::new(),
            hang_up: Vec::new(),
            config,
        }
    }

    /// Begins traces while there is room, and finishes what `now` decides.
    fn advance(&mut self, now: Now) {
        loop {
            self.begin(now);
            let mut over = Vec::new();
            for (&index, run) in &mut self.runs {
                if run.advance(&self.config, &mut self.names, now.mono, &mut self.events) {
                    over.push(index);
                } else if self.book.limits_flows(run.lane) {
                    run.given_up(&self.config, now.mono).for_each(|probe| self.book.give_up_flow(probe));
                }
            }
            if over.is_empty() {
                return;
            }
            for index in over {
                let connections = self.runs.remove(&index).is_some_and(|run| run.profile.socket == SocketKind::Stream);
                let probes = self.book.close(index);
                if connections {
                    self.hang_up.extend(probes.into_iter().map(|probe| Token::new(probe.get())));
                }
            }
        }
    }

    fn begin(&mut self, now: Now) {
        while self.runs.len() < AT_ONCE {
            let Some(at) = self.queue.iter().position(|&index| self.may_begin(index)) else { return };
            if let Some(index) = self.queue.remove(at) {
                self.begin_one(index, now);
            }
        }
    }

    /// Two traces of one address would share its ports and its rate limit: the second waits for the first.
    fn may_begin(&self, index: usize) -> bool {
        let Some((to, lane, profile)) = self.place(index) else { return true };
        if profile.socket == SocketKind::Stream {
            // Every probe is a connection, held until the trace is over.
            let ttls = 1 + u32::from(self.config.max_ttl.get().saturating_sub(self.config.first_ttl.get()));
            let probes = ttls.saturating_mul(self.config.probes_per_hop);
            let running = self.runs.values().filter(|run| run.lane == lane).count();
            let needed = probes.saturating_mul(u32::try_from(running).unwrap_or(u32::MAX).saturating_add(1));
            if running > 0 && needed > profile.max_open {
                return false;
            }
        }
        self.runs.values().all(|run| (run.lane, run.target.address) != (lane, to.address))
    }

    /// Where target number `index` can be traced, if anywhere.
    fn place(&self, index: usize) -> Option<(IpEndpoint, LaneId, Profile)> {
        match self.config.targets.get(index)?.place {
            Place::Reachable { endpoint, source, lane, profile } => {
                let raw = profile.socket == SocketKind::Raw;
                let possible = match profile.protocol {
                    Protocol::Icmp => true,
                    // The checksum of a raw segment covers its source address.
                    Protocol::Udp | Protocol::Tcp => !raw || source.is_some(),
                    Protocol::Unix => false,
                };
                possible.then_some((endpoint, lane, profile))
            }
            Place::Local { .. } | Place::Unroutable { .. } | Place::Unresolved => None,
        }
    }

    /// How packets to target number `index` leave, if they can.
    pub(super) fn way(&self, index: usize) -> Option<Way> {
        let (target, lane, profile) = self.place(index)?;
        let source = match self.config.targets.get(index)?.place {
            Place::Reachable { source, .. } => source,
            _ => None,
        };
        let (to, method, flow) = (target.address, profile.protocol, self.config.flow);
        let unlabelled = profile.family == Family::V6 && self.config.flow_label.is_none();
        let packets = Packets {
            source,
            checksum: flow::checksum(source, to, method, flow),
            flow_label: if unlabelled { flow::label(source, to, method, flow) } else { None },
        };
        Some(Way { target, lane, profile, packets })
    }

    /// What the run is to do.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// When the rate common to all allows another packet.
    pub(super) fn may_send_at(&self, now: Instant) -> Instant {
        self.cap.map_or(now, |cap| cap.next().max(now))
    }

    /// Takes leave to send one packet now, if the rate common to all allows it.
    pub(super) fn may_send(&mut self, now: Instant) -> bool {
        let allowed = self.may_send_at(now) <= now;
        if let Some(cap) = self.cap.as_mut().filter(|_| allowed) {
            cap.take(now);
        }
        allowed
    }

    fn begin_one(&mut self, index: usize, now: Now) {
        let id = TraceId::new(u32::try_from(index).unwrap_or(u32::MAX));
        self.tell_start(index, id, now);
        let Some(Way { target, lane, profile, packets }) = self.way(index) else {
            self.tell_unmade(id, StopReason::SendFailed);
            return;
        };
        let without_numbers = profile.protocol == Protocol::Udp && profile.socket != SocketKind::Raw;
        if without_numbers && matches!(self.config.ports, Ports::Fixed(_)) {
            self.book.limit_flows(lane, profile.max_open);
        }
        let to = (target, lane, profile);
        self.runs.insert(index, Run::new(&self.config, id, to, packets, now.mono));
    }

    fn tell_start(&mut self, index: usize, id: TraceId, now: Now) {
        let Some(target) = self.config.targets.get(index) else { return };
        let (address, source, profile) = match target.place {
            Place::Reachable { endpoint, source, profile, .. } => (Some(endpoint.address), source, Some(profile)),
            Place::Unroutable { endpoint } => (Some(endpoint.address), None, None),
            Place::Local { .. } | Place::Unresolved => (None, None, None),
        };
        let method = profile.or_else(|| self.any_profile()).map_or(Protocol::Icmp, |profile| profile.protocol);
        self.events.push_back(Event::Start(Box::new(Start {
            trace: id,
            target: target.target.clone(),
            name: target.name.clone(),
            address,
            source,
            method,
            socket: profile.map(|profile| profile.socket),
            port: matches!(method, Protocol::Udp | Protocol::Tcp).then(|| flow::port(self.config.ports, 0)),
            flow: self.config.flow,
            packet_octets: profile.map_or(0, |profile| self.mark.whole_octets(&profile)),
            max_ttl: self.config.max_ttl,
            time: now.wall,
        })));
    }

    /// The profile of the first target that has one: what a target without would have been probed over.
    fn any_profile(&self) -> Option<Profile> {
        (0..self.config.targets.len()).find_map(|index| self.place(index)).map(|(_, _, profile)| profile)
    }

    /// Tells the end of a trace that sent nothing.
    fn tell_unmade(&mut self, trace: TraceId, stop_reason: StopReason) {
        let end = Trace {
            trace,
            reached: false,
            stop_reason,
            hops: Vec::new(),
            findings: Vec::new(),
            path_mtu: None,
            duration: 0,
        };
        self.events.push_back(Event::End(Box::new(end)));
    }

    /// Under a common rate the traces that began first send first.
    fn send_due(&mut self, now: Now, outbox: &mut Outbox) {
        for (&index, run) in &mut self.runs {
            while let Next::Probe { ttl, index: slot } = run.next(&self.config, now.mono) {
                let Some(flow) = self.book.next_flow(run.lane) else { break };
                if let Some(cap) = &mut self.cap {
                    if cap.next() > now.mono {
                        return;
                    }
                    cap.take(now.mono);
                }
                let port = match run.profile.protocol {
                    Protocol::Udp | Protocol::Tcp => flow::port(self.config.ports, run.probes()),
                    _ => 0,
                };
                let destination = run.target.address;
                let probe = self.book.next_number(|probe| self.mark.keys.are_usable(probe));
                let constant = Some(run.packets.checksum).filter(|_| self.mark.balances(&run.profile));
                let fields = self.mark.keys.fields(&run.profile, probe, flow, constant);
                let sent = SentFields { source: run.packets.source, ..fields };
                let entry =
                    Entry { trace: index, ttl, slot, lane: run.lane, destination, port, flow, sent, open: true };
                self.book.record(probe, entry);
                run.ordered(&self.config, ttl, slot, probe, Stamp::user(now));
                self.payload.clear();
                self.mark.push_payload(&run.profile, probe, &mut self.payload);
                outbox_push(&run.way(), probe, &entry, &self.payload, outbox);
            }
        }
    }

    fn next_wake(&self, now: Instant) -> Option<Instant> {
        let allowed = self.may_send_at(now);
        let of = |run: &Run| {
            let send = match run.next(&self.config, now) {
                Next::Probe { .. } => self.book.next_flow(run.lane).map(|_| allowed),
                Next::At(at) => Some(at.max(allowed)),
                Next::Nothing => None,
            };
            [send, run.wake(&self.config, now)].into_iter().flatten().min()
        };
        self.runs.values().filter_map(of).min()
    }

    fn search<'a>(&'a self, profile: &'a Profile, lane: LaneId) -> Search<'a> {
        Search { mark: &self.mark, book: &self.book, profile, lane }
    }

    fn take(&mut self, lane: LaneId, matched: Match) {
        match matched {
            Match::Answer(probe, arrival) => self.take_answer(probe, *arrival),
            Match::Unmatched(responder) => {
                // Whose it is can only be said while one trace alone runs over the lane.
                let mut runs = self.runs.values_mut().filter(|run| run.lane == lane);
                if let (Some(run), None) = (runs.next(), runs.next()) {
                    run.unmatched(responder);
                }
            }
            Match::Foreign => {}
        }
    }

    /// The target took the connection of a probe, or refused it.
    fn connected(&mut self, token: Token, stamp: Stamp) {
        let probe = ProbeId::new(token.get());
        if let Some(entry) = self.book.entry(probe) {
            let arrival = Arrival::plain(entry.destination, stamp, None);
            self.take_answer(probe, arrival);
        }
    }

    fn take_answer(&mut self, probe: ProbeId, arrival: Arrival) {
        let Some(&entry) = self.book.entry(probe) else { return };
        let Some(run) = self.runs.get_mut(&entry.trace) else { return };
        let responder = arrival.responder;
        if !run.answer(&self.config, entry.ttl, entry.slot, arrival) {
            return;
        }
        self.book.answered(probe);
        if run.profile.socket == SocketKind::Stream {
            self.hang_up.push(Token::new(probe.get()));
        }
        if self.names.want(responder) {
            self.events.push_back(Event::NameWanted(responder));
        }
    }

    fn control(&mut self, now: Now, control: &Control) {
        match control {
            Control::Interrupt | Control::Terminate => {
                self.runs.values_mut().for_each(|run| run.cut(StopReason::Interrupted, now.mono));
                self.drop_queue(now);
            }
            Control::Stop => {
                self.runs.values_mut().for_each(Run::close);
                self.drop_queue(now);
            }
            Control::Name(answer) => self.names.answer(answer),
            Control::Interim => {
                self.events.push_back(Event::Interim(self.runs.values().map(Run::interim).collect()));
            }
            // The targets are known from the start.
            Control::Add { .. } | Control::Remove { .. } => {}
        }
    }

    /// Tells the traces that will not begin any more.
    fn drop_queue(&mut self, now: Now) {
        for index in std::mem::take(&mut self.queue) {
            let id = TraceId::new(u32::try_from(index).unwrap_or(u32::MAX));
            self.tell_start(index, id, now);
            let reason = if self.place(index).is_some() { StopReason::Interrupted } else { StopReason::SendFailed };
            self.tell_unmade(id, reason);
        }
    }

    fn profile(&self, lane: LaneId) -> Option<Profile> {
        self.runs.values().find(|run| run.lane == lane).map(|run| run.profile)
    }
}

/// Orders `probe` as its entry says.
pub(super) fn outbox_push(way: &Way, probe: ProbeId, entry: &Entry, payload: &[u8], outbox: &mut Outbox) {
    let (profile, to, sent) = (&way.profile, way.target.with_port(entry.port), &entry.sent);
    let raw = profile.socket == SocketKind::Raw;
    let from = sent.source.zip(sent.source_port);
    let octets = outbox.store(|out| match (profile.protocol, from) {
        (Protocol::Icmp, _) => {
            encode::echo_request(profile, probe.sequence(), payload, Some(way.packets.checksum), out);
        }
        (Protocol::Udp, Some(from)) => {
            encode::udp_probe(from, to, payload, sent.checksum.unwrap_or_default(), out);
        }
        (Protocol::Tcp, Some(from)) => {
            encode::tcp_syn(from, to, payload.len(), sent.tcp_sequence.unwrap_or_default(), out);
        }
        _ => out.extend_from_slice(payload),
    });
    let header = Header {
        // What the checksum covers must be what the packet has.
        from: sent.source.filter(|_| raw && profile.protocol != Protocol::Icmp),
        ttl: Some(Ttl::new(entry.ttl)),
        flow_label: way.packets.flow_label,
        identification: sent.identification,
        ..Header::default()
    };
    if profile.socket == SocketKind::Stream {
        // Two connections cannot share their ports: each probe is a flow of its own.
        let token = Token::new(probe.get());
        outbox.push(Order::Open(Open { lane: way.lane, token, to: Endpoint::Ip(to), source_port: 0, header }));
        return;
    }
    outbox.push(Order::Send(Send {
        lane: way.lane,
        token: Token::new(probe.get()),
        to: Endpoint::Ip(to),
        flow: if raw { 0 } else { entry.flow },
        header,
        octets,
    }));
}

impl Machine for Tracer {
    type Event = Event;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        self.advance(now);
        for token in self.hang_up.drain(..) {
            outbox.push(Order::Close { token, how: CloseHow::Reset });
        }
        self.send_due(now, outbox);
        self.wake = self.next_wake(now.mono);
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        match inbound {
            Inbound::Datagram(datagram) => {
                let Some(profile) = self.profile(datagram.lane) else { return };
                let matched = self.search(&profile, datagram.lane).datagram(datagram, octets);
                self.take(datagram.lane, matched);
            }
            Inbound::Icmp(report) => {
                let Some(profile) = self.profile(report.lane) else { return };
                let matched = self.search(&profile, report.lane).report(report, octets);
                self.take(report.lane, matched);
            }
            Inbound::Sent(sent) => {
                let probe = ProbeId::new(sent.token.get());
                let Some(entry) = self.book.entry(probe) else { return };
                if let Some(run) = self.runs.get_mut(&entry.trace) {
                    run.sent(entry.ttl, entry.slot, probe, sent.departure());
                }
            }
            Inbound::Refused(refused) => {
                let Some(entry) = self.book.strike(ProbeId::new(refused.token.get())) else { return };
                if let Some(run) = self.runs.get_mut(&entry.trace) {
                    run.refused((entry.ttl, entry.slot), refused.error, now.mono, &mut self.events);
                }
            }
            Inbound::Control(control) => self.control(now, control),
            Inbound::Opened(opened) => self.connected(opened.token, opened.stamp),
            Inbound::Closed(closed) if closed.how == ClosedHow::Reset => self.connected(closed.token, closed.stamp),
            // What the kernel gives up or drops is unanswered like what the network drops; connections are not used.
            Inbound::Accepted(_)
            | Inbound::Data(_)
            | Inbound::Drained { .. }
            | Inbound::Closed(_)
            | Inbound::Dropped(_) => return,
        }
        // Whatever changed may have finished a hop.
        self.wake = Some(Instant::ZERO);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.wake
    }

    fn handle_timeout(&mut self, now: Now) {
        self.advance(now);
        self.wake = self.next_wake(now.mono);
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn is_finished(&self) -> bool {
        self.queue.is_empty() && self.runs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::testing::{Back, Lab, Probe, TARGET, at, config, datagram, ms, profile, raw, report, router};
    use super::*;
    use crate::channel::{ErrorOrigin, IcmpReport};

    const HOPS: u8 = 4;

    /// Plays a path of four hops, 10 ms RTT each, where `noise` comes as well for each probe, just before its answer.
    fn play(config: Config, mut noise: impl FnMut(&Probe) -> Vec<Back> + 'static) -> Lab {
        Lab::play(config, move |probe| {
            let noise = noise(probe).into_iter().map(|back| (ms(9), back));
            noise.chain([(ms(10), probe.answer(HOPS))]).collect()
        })
    }

    /// Asserts that every probe has the answer of its own hop, after the hop's own time.
    fn assert_undisturbed(lab: &Lab) {
        let answers: Vec<(u8, IpAddr)> = lab.answers().iter().map(|(ttl, answer)| (*ttl, answer.responder)).collect();
        let own = |ttl| (ttl, if ttl == HOPS { TARGET } else { router(ttl) });
        assert_eq!(answers, (1..=HOPS).flat_map(|ttl| [own(ttl); 3]).collect::<Vec<_>>());
        assert!(lab.answers().iter().all(|(_, answer)| answer.rtt.as_duration() == ms(10)));
        assert_eq!((lab.end().reached, lab.end().stop_reason), (true, StopReason::Destination));
    }

    fn inbound(make: impl FnOnce(&mut Arena) -> Inbound + 'static) -> Back {
        Back::Other(Box::new(make))
    }

    fn echo_from(from: IpAddr, octets: Vec<u8>) -> Back {
        let from = IpEndpoint::from_address(from);
        inbound(move |arena| datagram(arena, from, 0, Stamp::user(at(ms(9))), &octets))
    }

    #[test]
    fn a_run_begins_at_once() {
        assert_eq!(Tracer::new(config(profile(Protocol::Icmp))).poll_timeout(), Some(Instant::ZERO));
    }

    #[test]
    fn a_run_without_targets_is_finished() {
        let tracer = Tracer::new(Config { targets: Vec::new(), ..config(profile(Protocol::Icmp)) });
        assert!(tracer.is_finished());
    }

    #[test]
    fn echo_replies_that_are_not_ours_are_ignored() {
        let lab = play(config(profile(Protocol::Icmp)), |probe| {
            // Another cookie; a sequence never sent; an echo of ours from elsewhere with all but a stub cut off.
            let mut other_cookie = probe.echoed();
            other_cookie[8..].fill(0xa5);
            let mut never_sent = other_cookie.clone();
            never_sent[6..8].copy_from_slice(&[0xff, 0xfe]);
            let stub = probe.echoed()[..12].to_vec();
            let from = router(99);
            vec![
                echo_from(TARGET, other_cookie.clone()),
                echo_from(TARGET, never_sent),
                echo_from(from, other_cookie),
                echo_from(from, stub),
            ]
        });
        assert_undisturbed(&lab);
    }

    #[test]
    fn a_reply_whose_cookie_suffered_still_counts_from_the_target() {
        let lab = Lab::play(config(profile(Protocol::Icmp)), |probe| {
            let mut damaged = probe.echoed();
            damaged[8] ^= 1;
            vec![(ms(10), if probe.ttl < HOPS { probe.answer(HOPS) } else { echo_from(TARGET, damaged) })]
        });
        assert_eq!((lab.end().reached, lab.end().hops.len()), (true, usize::from(HOPS)));
    }

    #[test]
    fn errors_about_probes_never_sent_or_found_by_this_host_are_ignored() {
        for protocol in [Protocol::Icmp, Protocol::Udp] {
            let lab = play(config(profile(protocol)), |probe| {
                let at = Stamp::user(at(ms(9)));
                let mut never = report(probe, at, (router(99), 3, 1));
                never.to = never.to.map(|to| to.with_port(if to.port == 0 { 0 } else { 9 }));
                let mut local = report(probe, at, (router(99), 3, 1));
                local.origin = ErrorOrigin::Local;
                let quote = [8, 0, 0, 0, 0x43, 0x21, 0xff, 0xfe];
                let own = probe.octets.clone();
                vec![
                    inbound(move |arena| Inbound::Icmp(IcmpReport { quote: arena.push(&quote), ..never })),
                    inbound(move |arena| Inbound::Icmp(IcmpReport { quote: arena.push(&own), ..local })),
                ]
            });
            assert_undisturbed(&lab);
        }
    }

    #[test]
    fn with_a_shared_identifier_another_process_errors_are_ignored() {
        let other = |probe: &Probe, exclusive: bool| {
            let mut quote = vec![0x45, 0, 0, 60, 0, 0, 0, 0, 1, 1, 0, 0, 192, 0, 2, 1, 198, 51, 100, 77];
            quote.extend_from_slice(&probe.octets[..8]);
            let mut message = vec![11, 0, 0, 0, 0, 0, 0, 0];
            message.extend_from_slice(&quote);
            let sum = crate::wire::checksum::internet(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            let mut packet = vec![0x45, 0, 0, 56, 0, 0, 0, 0, 60, 1, 0, 0, 203, 0, 113, 99, 192, 0, 2, 1];
            packet.extend_from_slice(&message);
            (echo_from(router(99), packet), exclusive)
        };
        let responders = |exclusive| {
            let lab = Lab::play(config(raw(exclusive)), move |probe| vec![(ms(9), other(probe, exclusive).0)]);
            lab.answers().len()
        };
        assert_eq!(responders(false), 0, "another destination is quoted, and the identifier may be another's");
        assert_eq!(responders(true), 90, "the identifier is ours alone: some NAT rewrote the destination");
    }

    /// Whatever came, a trace has its hops in order and one end.
    fn assert_well_formed(lab: &Lab) {
        let ttls: Vec<u8> = lab.end().hops.iter().map(|hop| hop.ttl.get()).collect();
        assert!(ttls.iter().copied().eq(1..=ttls.len() as u8), "{ttls:?}");
        let told = lab.events.iter().filter_map(|event| match event {
            Event::Hop(_, hop) => Some(&**hop),
            _ => None,
        });
        assert!(told.eq(&lab.end().hops));
        assert_eq!(lab.events.iter().filter(|event| matches!(event, Event::End(_))).count(), 1);
    }

    fn lanes() -> impl Strategy<Value = Profile> {
        prop_oneof![Just(profile(Protocol::Icmp)), Just(profile(Protocol::Udp)), Just(raw(true)), Just(raw(false))]
    }

    proptest! {
        #[test]
        fn arbitrary_octets_harm_nothing(
            profile in lanes(),
            octets in proptest::collection::vec(any::<u8>(), 0..200),
            (icmp_type, icmp_code, flow, port) in any::<(u8, u8, u16, u16)>(),
            local in any::<bool>(),
        ) {
            let mut first = true;
            let lab = Lab::play(Config { max_ttl: Ttl::new(8), ..config(profile) }, move |probe| {
                let mut coming = vec![(ms(10), probe.answer(HOPS))];
                if std::mem::take(&mut first) {
                    let stamp = Stamp::user(at(ms(5)));
                    let (quote, data) = (octets.clone(), octets.clone());
                    let mut report = report(probe, stamp, (router(99), icmp_type, icmp_code));
                    report.origin = if local { ErrorOrigin::Local } else { ErrorOrigin::Icmp };
                    report.to = Some(IpEndpoint::from_address(router(98)).with_port(port));
                    report.flow = flow;
                    let from = IpEndpoint::from_address(TARGET).with_port(port);
                    coming.push((ms(5), inbound(move |arena| {
                        let quote = arena.push(&quote);
                        let extension = Some(quote.part(quote.len() / 2..quote.len()));
                        Inbound::Icmp(IcmpReport { quote, extension, ..report })
                    })));
                    coming.push((ms(5), inbound(move |arena| datagram(arena, from, flow, stamp, &data))));
                }
                coming
            });
            assert_well_formed(&lab);
        }

        #[test]
        fn a_damaged_quote_costs_one_probe_at_most(
            at_octet in 0usize..40,
            damage in 1u8..,
            length in 0usize..40,
            ttl in 1u8..HOPS,
        ) {
            let mut first = true;
            let lab = Lab::play(config(profile(Protocol::Icmp)), move |probe| {
                let mut coming = vec![(ms(10), probe.answer(HOPS))];
                if probe.ttl == ttl && std::mem::take(&mut first) {
                    let mut quote = probe.octets.clone();
                    if let Some(octet) = quote.get_mut(at_octet) {
                        *octet ^= damage;
                    }
                    quote.truncate(length);
                    let report = report(probe, Stamp::user(at(ms(5))), (router(99), 11, 0));
                    coming.push((ms(5), inbound(move |arena| {
                        Inbound::Icmp(IcmpReport { quote: arena.push(&quote), ..report })
                    })));
                }
                coming
            });
            assert_well_formed(&lab);
            let strange = lab.answers().iter().filter(|(_, answer)| answer.responder == router(99)).count();
            prop_assert!(strange <= 1, "{strange}");
            prop_assert_eq!(lab.answers().len(), usize::from(HOPS) * 3);
            prop_assert!(lab.end().reached);
        }

        #[test]
        fn every_configuration_ends(
            profile in lanes(),
            (first, max, probes, gap) in (0u8..40, 0u8..40, 0u32..5, proptest::option::of(0u32..5)),
            (in_flight, send_gap) in (proptest::option::of(0u32..20), proptest::option::of(0u64..30)),
            (paced, packet_octets) in (any::<bool>(), 0usize..200),
            silent in proptest::collection::vec(any::<bool>(), 41),
        ) {
            let config = Config {
                first_ttl: Ttl::new(first),
                max_ttl: Ttl::new(max),
                probes_per_hop: probes,
                gap_limit: gap,
                in_flight,
                send_gap: send_gap.map(ms),
                paced,
                packet_octets: Some(packet_octets),
                wait: Some(super::super::Wait { max: ms(300), here: 3.0, near: 10.0 }),
                ..config(profile)
            };
            let lab = Lab::play(config, move |probe| {
                let silent = silent.get(usize::from(probe.ttl)).copied().unwrap_or(true);
                if silent { Vec::new() } else { vec![(Duration::from_millis(7), probe.answer(20))] }
            });
            let hops = &lab.end().hops;
            let ttls: Vec<u8> = hops.iter().map(|hop| hop.ttl.get()).collect();
            prop_assert!(ttls.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ttls:?}");
            prop_assert_eq!(ttls.first().copied(), Some(first.max(1)));
            let asked = |hop: &super::super::Hop| hop.probes.iter().filter(|probe| !probe.again).count();
            prop_assert!(hops.iter().all(|hop| asked(hop) == probes.max(1) as usize));
        }
    }
}
