//! A run of traces as a Machine: [`Tracer`].

use std::collections::{BTreeMap, VecDeque};

use super::book::{Book, Entry};
use super::config::{Config, Ports};
use super::event::{Event, Start, StopReason, Trace, TraceId};
use super::flow;
use super::hop::Arrival;
use super::matching::{self, Mark};
use super::names::Names;
use super::run::Run;
use super::schedule::Next;
use crate::channel::{Arena, Control, Header, Inbound, LaneId, Order, Outbox, Profile, Protocol, Send, Token};
use crate::engine::{Machine, Place, encode};
use crate::types::{Endpoint, Instant, IpEndpoint, Now, ProbeId, Stamp, Ttl};
use crate::wire::payload::Cookie;

/// How many traces run at once; the others wait their turn.
const AT_ONCE: usize = 16;

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
    /// When something is to be done next.
    wake: Option<Instant>,
    payload: Vec<u8>,
}

impl Tracer {
    /// A run of traces. A `first_ttl`, `probes_per_hop`, `in_flight` or `gap_limit` of 0 is taken as 1, a `max_ttl` below
    /// `first_ttl` as `first_ttl`, and a packet size as the nearest a packet can have.
    pub fn new(config: Config) -> Tracer {
        let mut octets = [0; 16];
        fastrand::Rng::with_seed(config.seed).fill(&mut octets);
        Tracer {
            mark: Mark { cookie: Cookie::new(octets), ports: config.ports, packet_octets: config.packet_octets },
            book: Book::default(),
            names: Names::new(config.names),
            queue: (0..config.targets.len()).collect(),
            runs: BTreeMap::new(),
            events: VecDeque::new(),
            wake: Some(Instant::ZERO),
            payload: Vec::new(),
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
                    run.given_up(&self.config, now.mono).for_each(|probe| self.book.release_flow(probe));
                }
            }
            if over.is_empty() {
                return;
            }
            for index in over {
                self.runs.remove(&index);
                self.book.close(index);
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
        let Some((to, lane, _)) = self.place(index) else { return true };
        self.runs.values().all(|run| (run.lane, run.target.address) != (lane, to.address))
    }

    /// Where target number `index` can be traced, if anywhere.
    fn place(&self, index: usize) -> Option<(IpEndpoint, LaneId, Profile)> {
        match self.config.targets.get(index)?.place {
            Place::Reachable { endpoint, lane, profile, .. } => {
                matches!(profile.protocol, Protocol::Icmp | Protocol::Udp).then_some((endpoint, lane, profile))
            }
            Place::Unroutable { .. } | Place::Unresolved => None,
        }
    }

    fn begin_one(&mut self, index: usize, now: Now) {
        let id = TraceId::new(u32::try_from(index).unwrap_or(u32::MAX));
        self.tell_start(index, id, now);
        let Some((to, lane, profile)) = self.place(index) else {
            self.tell_unmade(id, StopReason::SendFailed);
            return;
        };
        if profile.protocol == Protocol::Udp && matches!(self.config.ports, Ports::Fixed(_)) {
            self.book.limit_flows(lane, profile.max_open);
        }
        let source = match self.config.targets.get(index).map(|target| target.place) {
            Some(Place::Reachable { source, .. }) => source,
            _ => None,
        };
        let checksum = flow::checksum(source, to.address, profile.protocol, self.config.flow);
        self.runs.insert(index, Run::new(&self.config, id, (to, lane, profile), checksum, now.mono));
    }

    fn tell_start(&mut self, index: usize, id: TraceId, now: Now) {
        let Some(target) = self.config.targets.get(index) else { return };
        let (address, source, profile) = match target.place {
            Place::Reachable { endpoint, source, profile, .. } => (Some(endpoint.address), source, Some(profile)),
            Place::Unroutable { endpoint } => (Some(endpoint.address), None, None),
            Place::Unresolved => (None, None, None),
        };
        let method = profile.map_or(Protocol::Icmp, |profile| profile.protocol);
        self.events.push_back(Event::Start(Box::new(Start {
            trace: id,
            target: target.target.clone(),
            name: target.name.clone(),
            address,
            source,
            method,
            socket: profile.map(|profile| profile.socket),
            port: (method == Protocol::Udp).then(|| flow::port(self.config.ports, 0)),
            flow: self.config.flow,
            packet_octets: profile.map_or(self.config.packet_octets, |profile| self.mark.whole_octets(&profile)),
            max_ttl: self.config.max_ttl,
            time: now.wall,
        })));
    }

    /// Tells the end of a trace that sent nothing.
    fn tell_unmade(&mut self, trace: TraceId, stop_reason: StopReason) {
        let end = Trace { trace, reached: false, stop_reason, hops: Vec::new(), duration: 0 };
        self.events.push_back(Event::End(Box::new(end)));
    }

    fn send_due(&mut self, now: Now, outbox: &mut Outbox) {
        for (&index, run) in &mut self.runs {
            while let Next::Probe { ttl, index: slot } = run.next(&self.config, now.mono) {
                let Some(flow) = self.book.next_flow(run.lane) else { break };
                let port = match run.profile.protocol {
                    Protocol::Udp => flow::port(self.config.ports, run.probes()),
                    _ => 0,
                };
                let destination = run.target.address;
                let probe =
                    self.book.record(Entry { trace: index, ttl, slot, lane: run.lane, destination, port, flow });
                run.ordered(&self.config, ttl, slot, probe, Stamp::user(now));
                self.payload.clear();
                self.mark.push_payload(&run.profile, probe, &mut self.payload);
                let octets = outbox.store(|out| match run.profile.protocol {
                    Protocol::Icmp => {
                        encode::echo_request(&run.profile, probe.sequence(), &self.payload, Some(run.checksum), out);
                    }
                    _ => out.extend_from_slice(&self.payload),
                });
                outbox.push(Order::Send(Send {
                    lane: run.lane,
                    token: Token::new(probe.get()),
                    to: Endpoint::Ip(run.target.with_port(port)),
                    flow,
                    header: Header { ttl: Some(Ttl::new(ttl)), ..Header::default() },
                    octets,
                }));
            }
        }
    }

    fn next_wake(&self, now: Instant) -> Option<Instant> {
        let of = |run: &Run| {
            let send = match run.next(&self.config, now) {
                Next::Probe { .. } => self.book.next_flow(run.lane).map(|_| now),
                Next::At(at) => Some(at),
                Next::Nothing => None,
            };
            [send, run.wake(&self.config, now)].into_iter().flatten().min()
        };
        self.runs.values().filter_map(of).min()
    }

    fn take_answer(&mut self, probe: ProbeId, arrival: Arrival) {
        let Some(&entry) = self.book.get(probe) else { return };
        self.book.release_flow(probe);
        let responder = arrival.responder;
        let Some(run) = self.runs.get_mut(&entry.trace) else { return };
        if run.answer(&self.config, entry.ttl, entry.slot, arrival) && self.names.want(responder) {
            self.events.push_back(Event::NameWanted(responder));
        }
    }

    fn control(&mut self, now: Now, control: &Control) {
        match control {
            Control::Interrupt => {
                self.runs.values_mut().for_each(|run| run.cut(&self.config, StopReason::Interrupted, now.mono));
                self.drop_queue(now);
            }
            Control::Stop => {
                self.runs.values_mut().for_each(Run::close);
                self.drop_queue(now);
            }
            Control::Name(answer) => self.names.answer(answer),
            // There are no interim figures of a trace, and its targets are known from the start.
            Control::Interim | Control::Add { .. } | Control::Remove { .. } => {}
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

impl Machine for Tracer {
    type Event = Event;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        self.advance(now);
        self.send_due(now, outbox);
        self.wake = self.next_wake(now.mono);
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        match inbound {
            Inbound::Datagram(datagram) => {
                let Some(profile) = self.profile(datagram.lane) else { return };
                let Some((probe, arrival)) = matching::datagram(&self.mark, &self.book, &profile, datagram, octets)
                else {
                    return;
                };
                self.take_answer(probe, arrival);
            }
            Inbound::Icmp(report) => {
                let Some(profile) = self.profile(report.lane) else { return };
                let Some((probe, arrival)) = matching::report(&self.mark, &self.book, &profile, report, octets) else {
                    return;
                };
                self.take_answer(probe, arrival);
            }
            Inbound::Sent(sent) => {
                let probe = ProbeId::new(sent.token.get());
                let Some(entry) = self.book.get(probe) else { return };
                if let Some(run) = self.runs.get_mut(&entry.trace) {
                    run.sent(entry.ttl, entry.slot, probe, sent.stamp);
                }
            }
            Inbound::Refused(refused) => {
                let Some(entry) = self.book.strike(ProbeId::new(refused.token.get())) else { return };
                if let Some(run) = self.runs.get_mut(&entry.trace) {
                    run.refused(&self.config, (entry.ttl, entry.slot), refused.error, now.mono, &mut self.events);
                }
            }
            Inbound::Control(control) => self.control(now, control),
            // Traces open no connections; what the kernel dropped is unanswered like what the network dropped.
            Inbound::Opened(_)
            | Inbound::Accepted(_)
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

    use super::super::testing::{Back, Lab, Probe, TARGET, config, ms, router};
    use super::*;

    /// 15 hops, RTT 5 ms × TTL; these hops say nothing.
    fn chain(silent: &'static [u8], dead_behind: u8) -> impl FnMut(&Probe) -> Vec<(Duration, Back)> {
        move |probe| {
            let hop = probe.ttl.min(15);
            if silent.contains(&hop) || hop > dead_behind {
                return Vec::new();
            }
            let back = match hop {
                15 if probe.to.port == 0 => Back::Reply(TARGET),
                15 => Back::Icmp(TARGET, 3, 3),
                _ => Back::Icmp(router(hop), 11, 0),
            };
            vec![(ms(5) * u32::from(hop), back)]
        }
    }

    fn responders(trace: &Trace) -> Vec<Vec<Option<IpAddr>>> {
        let of = |probe: &super::super::ProbeResult| probe.answer.as_ref().map(|answer| answer.responder);
        trace.hops.iter().map(|hop| hop.probes.iter().map(of).collect()).collect()
    }

    fn expected(silent: &[u8], answering: u8, all: u8) -> Vec<Vec<Option<IpAddr>>> {
        let of = |ttl: u8| match ttl {
            _ if silent.contains(&ttl) || ttl > answering => None,
            15 => Some(TARGET),
            _ => Some(router(ttl)),
        };
        (1..=all).map(|ttl| vec![of(ttl); 3]).collect()
    }

    #[test]
    fn fifteen_hops_with_three_silent_take_under_half_of_what_traceroute_takes() {
        for (protocol, most, beyond) in [(Protocol::Icmp, 300, 18), (Protocol::Udp, 363, 3)] {
            let lab = Lab::new(config(protocol), chain(&[5, 9, 12], 15)).run();
            let (time, end) = lab.end();
            assert_eq!(responders(end), expected(&[5, 9, 12], 15, 15));
            assert_eq!((end.reached, end.stop_reason), (true, StopReason::Destination));
            eprintln!("{protocol:?} {time:?} {}", lab.beyond(15));
            assert!(time <= ms(most), "{protocol:?} {time:?}");
            assert!(lab.beyond(15) <= beyond, "{protocol:?} {}", lab.beyond(15));
        }
    }

    #[test]
    fn a_path_that_dies_is_over_after_the_short_wait() {
        for protocol in [Protocol::Icmp, Protocol::Udp] {
            let lab = Lab::new(config(protocol), chain(&[5, 9], 11)).run();
            let (time, end) = lab.end();
            assert_eq!(responders(end), expected(&[5, 9], 11, 30));
            assert_eq!((end.reached, end.stop_reason), (false, StopReason::MaxTtl));
            eprintln!("{protocol:?} {time:?}");
            assert!(time <= ms(2500), "{protocol:?} {time:?}");
        }
    }
}
