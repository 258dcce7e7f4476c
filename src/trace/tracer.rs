//! A run of traces as a Machine: [`Tracer`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::config::Config;
use super::ends::StopReason;
use super::event::Event;
use super::fleet::probes::{ByNumber, Entry};
use super::fleet::route::Route;
use super::fleet::work::WorkQueue;
use super::fleet::{Arrived, BATCH, Fleet};
use super::flows::Flows;
use super::path::Path;
use super::path::hop::Arrival;
use super::path::run::{Attribution, TraceRun};
use super::path::schedule::{self, Next};
use super::result::Trace;
use crate::channel::{Arena, Inbound, LaneId, Outbox, Protocol};
use crate::engine::Machine;
use crate::types::{Instant, Now, ProbeId, Stamp};

/// How many traces run at once without a rate, or where only the newest probe to a port can be distinguished from others.
const AT_ONCE: u32 = 16;
/// The same where a rate is asked for: traces begin only while those that run leave the rate room.
const MAX_AT_ONCE: u32 = 1024;
/// Probes of all traces together that may be on record: half of what 16 bits distinguish.
const NUMBERS: u32 = 1 << 15;

/// An address, as reached over one lane.
type Place = (LaneId, IpAddr);

/// Traces the path to each target; see [`mod@crate::trace`] for how.
#[derive(Debug)]
pub struct Tracer {
    pub(super) fleet: Fleet,
    /// Traces under way, by the index of their target.
    runs: ByNumber<usize, Box<TraceRun>>,
    /// Where those go.
    busy: HashSet<Place>,
    /// Until when a destination that limits its answers is left alone, after each flow that it answered.
    resting: HashMap<Place, Instant>,
    /// Of targets some of whose flows are over, the traces of those flows, by target.
    flows: BTreeMap<usize, BTreeMap<usize, Arc<Trace>>>,
    work: WorkQueue,
    /// Memory for the traces that are looked at.
    due: Vec<usize>,
    /// Traces that were looked at and may have probes to send: when they are to be looked at again is known once they have sent them.
    unscheduled: Vec<usize>,
    /// Up to when everything about them is decided.
    looked_at: Instant,
    /// The paths of traces that are over: others begin in their memory.
    over: Vec<Path>,
    /// When the probes can leave that were held up.
    held: Option<Instant>,
    /// When the next flow of a target under way may begin.
    next_flow_at: Option<Instant>,
}

impl Tracer {
    /// A run of traces. A `first_ttl`, `probes_per_hop`, `in_flight` or `gap_limit` of 0 is taken as 1, a `max_ttl` below
    /// `first_ttl` as `first_ttl`, and a packet size as the nearest a packet can have.
    pub fn new(config: Config) -> Tracer {
        Tracer {
            fleet: Fleet::new(config, Event::unsent_trace),
            runs: ByNumber::default(),
            busy: HashSet::new(),
            resting: HashMap::new(),
            flows: BTreeMap::new(),
            work: WorkQueue::default(),
            due: Vec::new(),
            unscheduled: Vec::new(),
            looked_at: Instant::ZERO,
            over: Vec::new(),
            held: Some(Instant::ZERO),
            next_flow_at: None,
        }
    }

    /// Begins traces while there is room, and finishes what `now` decides.
    fn advance(&mut self, now: Now) {
        let mut due = std::mem::take(&mut self.due);
        if self.unscheduled.is_empty() {
            self.looked_at = now.mono;
        }
        loop {
            self.begin(now);
            self.work.take_due(now.mono, &mut due);
            if due.is_empty() {
                break;
            }
            for &index in &due {
                let (Some(run), fleet) = (self.runs.get_mut(&index), &mut self.fleet) else { continue };
                let awaited = fleet.names.are_awaited();
                let over = run.advance(&fleet.config, &mut fleet.names, now.mono, &mut fleet.events);
                if awaited && !fleet.names.are_awaited() {
                    self.touch_where(TraceRun::awaits_names);
                }
                if over {
                    self.finish(index, now.mono);
                    continue;
                }
                let (Some(run), fleet) = (self.runs.get_mut(&index), &mut self.fleet) else { continue };
                if fleet.probes.limits_flows(run.route.lane) {
                    let given_up: Vec<ProbeId> = run.given_up(&fleet.config, now.mono).collect();
                    fleet.give_up(run.route.lane, given_up.into_iter());
                }
                self.unscheduled.push(index);
            }
        }
        self.due = due;
    }

    /// Schedules the traces from number `from` on that were looked at and have not sent what they may.
    fn schedule_from(&mut self, from: usize) {
        for index in self.unscheduled.drain(..).filter(|&index| index >= from) {
            if let Some(run) = self.runs.get(&index) {
                self.work.schedule(index, run.wake(&self.fleet.config, self.looked_at));
            }
        }
    }

    fn touch_where(&mut self, matters: impl Fn(&TraceRun) -> bool) {
        for (&index, _) in self.runs.iter().filter(|(_, run)| matters(run)) {
            self.work.touch(index);
        }
    }

    fn finish(&mut self, index: usize, now: Instant) {
        self.work.remove(index);
        self.fleet.close(index);
        let Some(run) = self.runs.remove(&index) else { return };
        let (flows, place) = (self.fleet.config.flows_per_target(), (run.route.lane, run.route.target.address));
        if flows < 2 || !self.runs.values().any(|other| other.route.is_same(&run.route)) {
            self.busy.remove(&place);
        }
        if flows > 1 && run.reached() {
            self.resting.insert(place, now + run.limit_pause());
        }
        self.over.push(run.into_path());
    }

    fn begin(&mut self, now: Now) {
        while self.has_room() {
            let (runs, busy, resting) = (&self.runs, &self.busy, &self.resting);
            let may_begin = |fleet: &Fleet, index: usize, route: &Route| {
                may_begin(fleet, runs, (busy, resting), (index, route), now.mono)
            };
            let Some((index, began, route)) = self.fleet.begin_next(now, may_begin) else { return };
            self.busy.insert((route.lane, route.target.address));
            let (ahead, over) = (self.ahead(), self.over.pop());
            let run = TraceRun::new(&self.fleet.config, (began, route), ahead, now.mono, over);
            self.runs.insert(index, Box::new(run));
            self.work.touch(index);
        }
    }

    /// Whether another trace may begin: as many run as the numbers of probes can distinguish, but no more than have what they
    /// need to go on.
    fn has_room(&self) -> bool {
        let config = &self.fleet.config;
        let hurried = !config.paced || self.fleet.is_capped();
        let at_once = if hurried { NUMBERS / config.probes() } else { AT_ONCE };
        let backlog = if self.fleet.is_capped() { 0 } else { BATCH };
        self.runs.len() < at_once.clamp(1, MAX_AT_ONCE) as usize && self.work.backlog() <= backlog
    }

    /// When the next flow of a target under way may begin.
    fn next_begins(&self, now: Instant) -> Option<Instant> {
        let config = &self.fleet.config;
        if self.fleet.queue.is_empty() || config.flows_per_target() < 2 {
            return None;
        }
        let spreads = self
            .runs
            .values()
            .filter_map(|run| Some(run.started() + schedule::flow_spread(config, run.route.profile.protocol)?));
        let spread = spreads.max();
        self.resting.values().copied().chain(spread).filter(|&at| at > now).min()
    }

    /// How many TTLs a trace without pacing may run ahead of its answers: one alone all of them, many together no more than that.
    fn ahead(&self) -> usize {
        let config = &self.fleet.config;
        let ttls = config.probes() / config.probes_per_hop.max(1);
        (ttls as usize / config.targets.len().max(1)).max(1)
    }

    /// Orders what is due, of the traces that began first before that of others. Gives when it can go on, where the rate or the
    /// size of a batch held it up.
    fn send_due(&mut self, now: Now, outbox: &mut Outbox) -> Option<Instant> {
        let mut from = 0;
        while let Some(index) = self.work.next_ready(from) {
            from = index + 1;
            let held = self.send_of(index, now, outbox);
            if held.is_some() {
                self.schedule_from(from);
                return held;
            }
        }
        self.unscheduled.clear();
        None
    }

    /// Orders the probes of one trace that are due.
    fn send_of(&mut self, index: usize, now: Now, outbox: &mut Outbox) -> Option<Instant> {
        let (mut later, mut held) = (None, None);
        let (Some(run), fleet) = (self.runs.get_mut(&index), &mut self.fleet) else { return None };
        loop {
            let (ttl, slot) = match run.next(&fleet.config, now.mono) {
                Next::Probe { ttl, index: slot } => (ttl, slot),
                other => {
                    later = if let Next::At(at) = other { Some(at) } else { None };
                    self.work.rest(index);
                    break;
                }
            };
            // Without a flow it stays ready: others will be given up.
            let Some(flow) = fleet.next_flow(&run.route) else { break };
            held = fleet.may_send(now, outbox);
            if held.is_some() {
                break;
            }
            let probe = fleet.order(&run.route, (index, ttl, slot), (run.probes(), flow), None, outbox);
            run.ordered(&fleet.config, ttl, slot, probe, Stamp::user(now));
        }
        let wake = [later, run.wake(&fleet.config, self.looked_at)].into_iter().flatten().min();
        self.work.schedule(index, wake);
        held
    }

    fn take_unnamed(&mut self, index: usize, arrival: Box<Arrival>, now: Instant) {
        let Some(run) = self.runs.get_mut(&index) else { return };
        match run.attribute_unnamed(now) {
            Attribution::Probe(probe) => {
                if let Some(&entry) = self.fleet.probes.entry(probe) {
                    self.take_answer((probe, &entry), arrival);
                }
            }
            Attribution::Ambiguous(probes) => {
                for probe in probes {
                    self.fleet.probes.remove(probe);
                }
                self.work.touch(index);
            }
            Attribution::Unknown => {}
        }
    }

    fn take_answer(&mut self, (probe, entry): (ProbeId, &Entry), arrival: Box<Arrival>) {
        let Some(run) = self.runs.get_mut(&entry.trace) else { return };
        let responder = arrival.responder;
        if run.answer(&self.fleet.config, (probe, entry), arrival) {
            self.fleet.answered(probe, responder);
            self.fleet.hang_up(&run.route, probe);
            self.work.touch(entry.trace);
        }
    }

    /// Lays the flows of a target over each other once all of them are over.
    fn take_flow(&mut self, trace: &Arc<Trace>) -> Option<Flows> {
        let (index, count) = (trace.began.subject.id.index(), self.fleet.config.flows_per_target());
        self.fleet.config.flows?;
        let traces = self.flows.entry(index / count).or_default();
        traces.insert(index, Arc::clone(trace));
        (traces.len() == count)
            .then(|| self.flows.remove(&(index / count)))?
            .map(|all| Flows::of(all.into_values().collect()))
    }
}

/// Two traces of one address would share its ports and its rate limit: the second waits for the first. Flows of one target do
/// not, where the target does not limit its answers; where it does, the next begins when it can be relied on to answer.
fn may_begin(
    fleet: &Fleet,
    runs: &ByNumber<usize, Box<TraceRun>>,
    (busy, resting): (&HashSet<Place>, &HashMap<Place, Instant>),
    (index, route): (usize, &Route),
    now: Instant,
) -> bool {
    let at_once = if route.profile.connects() {
        // Every probe is a connection, held until the trace is over.
        route.profile.max_open / fleet.config.probes()
    } else if route.lacks_numbers() {
        // All traces have the same ports.
        AT_ONCE
    } else {
        MAX_AT_ONCE
    };
    let running = || runs.values().filter(|run| run.route.lane == route.lane).count();
    let room = at_once >= MAX_AT_ONCE || running() < at_once.max(1) as usize;
    let place = (route.lane, route.target.address);
    let rested = resting.get(&place).is_none_or(|&until| until <= now);
    room && rested
        && (!busy.contains(&place) || flow_may_begin(&fleet.config, runs, (index, route.profile.protocol), now))
}

/// Each flow of a target begins as much later than the one before as keeps the probes that a router gets of both apart.
fn flow_may_begin(
    config: &Config,
    runs: &ByNumber<usize, Box<TraceRun>>,
    (index, protocol): (usize, Protocol),
    now: Instant,
) -> bool {
    let flows = config.flows_per_target();
    let first = index / flows * flows;
    let mut siblings = (first..first + flows).filter_map(|index| runs.get(&index)).peekable();
    let Some(spread) = schedule::flow_spread(config, protocol) else { return false };
    siblings.peek().is_some() && siblings.all(|run| run.started() + spread <= now)
}

impl Machine for Tracer {
    type Event = Event;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        self.advance(now);
        self.fleet.poll_hang_ups(outbox);
        self.held = self.send_due(now, outbox);
        // Those that have nothing to send any more leave room for others.
        self.begin(now);
        self.next_flow_at = self.next_begins(now.mono);
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        let Some(arrived) = self.fleet.arrived(now, inbound, octets) else { return };
        match arrived {
            Arrived::Answer(probe, entry, arrival) => self.take_answer((probe, &entry), arrival),
            Arrived::Unnamed(index, arrival) => self.take_unnamed(index, arrival, now.mono),
            Arrived::Unmatched(lane, responder) => {
                // Which trace it belongs to is certain only while one alone runs over the lane.
                let mut runs = self.runs.values_mut().filter(|run| run.route.lane == lane);
                if let (Some(run), None) = (runs.next(), runs.next()) {
                    run.unmatched(responder);
                }
            }
            Arrived::Sent(probe, entry, stamp) => {
                let run = self.runs.get_mut(&entry.trace);
                if run.is_some_and(|run| run.sent(entry.ttl, entry.slot, probe, stamp)) {
                    self.work.touch(entry.trace);
                }
            }
            Arrived::Refused(probe, entry, error, mtu) => {
                if let Some(run) = self.runs.get_mut(&entry.trace) {
                    run.refused(probe, (entry.ttl, entry.slot), (error, mtu), now, &mut self.fleet.events);
                    self.work.touch(entry.trace);
                }
            }
            Arrived::Named => self.touch_where(TraceRun::awaits_names),
            Arrived::Interrupt => {
                self.runs.values_mut().for_each(|run| run.cut(StopReason::Interrupted, now.mono));
                self.touch_where(|_| true);
            }
            Arrived::Stop => {
                self.runs.values_mut().for_each(|run| run.close());
                self.touch_where(|_| true);
            }
            Arrived::Interim => {
                let mut runs: Vec<_> = self.runs.iter().collect();
                runs.sort_by_key(|&(&index, _)| index);
                self.fleet.events.extend(runs.into_iter().map(|(_, run)| Event::Interim(run.interim())));
            }
            Arrived::Changed(_) => {}
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let at_once = (self.fleet.is_hanging_up() || !self.unscheduled.is_empty()).then_some(Instant::ZERO);
        [at_once, self.held, self.work.next(), self.next_flow_at].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Now) {
        // Of the last time, where no orders were asked for since.
        self.schedule_from(0);
        self.advance(now);
        // Whatever was held up is tried with the next orders.
        self.held = None;
        self.next_flow_at = None;
    }

    fn poll_event(&mut self) -> Option<Event> {
        let event = self.fleet.events.pop_front()?.judged(&self.fleet.config);
        if let Event::Ended(trace) = &event
            && let Some(flows) = self.take_flow(trace)
        {
            self.fleet.events.push_front(Event::Flows(Box::new(flows)));
        }
        Some(event)
    }

    fn is_finished(&self) -> bool {
        self.fleet.is_finished()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::channel::{ErrorOrigin, IcmpNotice, Profile};
    use crate::trace::Hop;
    use crate::trace::testing::{Back, Lab, Probe, TARGET, at, config, datagram, ms, profile, raw, report, router};
    use crate::types::{IpEndpoint, Ttl};

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
                let mut never = report(probe, at, router(99), (3, 1));
                never.to = never.to.map(|to| to.with_port(if to.port.is_none() { 0 } else { 9 }));
                let mut local = report(probe, at, router(99), (3, 1));
                (local.origin, local.icmp) = (ErrorOrigin::Local, None);
                let quote = [8, 0, 0, 0, 0x43, 0x21, 0xff, 0xfe];
                let own = probe.octets.clone();
                vec![
                    inbound(move |arena| Inbound::Icmp(IcmpNotice { quote: arena.push(&quote), ..never })),
                    inbound(move |arena| Inbound::Icmp(IcmpNotice { quote: arena.push(&own), ..local })),
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
        let reported = lab.events.iter().filter_map(|event| match event {
            Event::Hop(_, hop) => Some(hop),
            _ => None,
        });
        assert!(reported.eq(&lab.end().hops));
        assert_eq!(lab.events.iter().filter(|event| matches!(event, Event::Ended(_))).count(), 1);
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
                    let mut report = report(probe, stamp, router(99), (icmp_type, icmp_code));
                    if local {
                        (report.origin, report.icmp) = (ErrorOrigin::Local, None);
                    }
                    report.to = Some(IpEndpoint::from_address(router(98)).with_port(port));
                    report.flow = flow;
                    let from = IpEndpoint::from_address(TARGET).with_port(port);
                    coming.push((ms(5), inbound(move |arena| {
                        let quote = arena.push(&quote);
                        let extension = Some(quote.part(quote.len() / 2..quote.len()));
                        Inbound::Icmp(IcmpNotice { quote, extension, ..report })
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
                    let report = report(probe, Stamp::user(at(ms(5))), router(99), (11, 0));
                    coming.push((ms(5), inbound(move |arena| {
                        Inbound::Icmp(IcmpNotice { quote: arena.push(&quote), ..report })
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
                wait: Some(crate::trace::Wait { max: ms(300), here: 3.0, near: 10.0 }),
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
            let asked = |hop: &Hop| hop.probes.iter().filter(|probe| !probe.again).count();
            prop_assert!(hops.iter().all(|hop| asked(hop) == probes.max(1) as usize));
        }
    }
}
