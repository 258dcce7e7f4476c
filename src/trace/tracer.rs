//! A run of traces as a Machine: [`Tracer`].

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::IpAddr;

use crate::channel::{Arena, CloseHow, ClosedHow, Control, Inbound, LaneId, Order, Outbox, Profile, Protocol, Token};
use crate::engine::Machine;
use crate::engine::pace::Cap;
use crate::trace::config::Config;
use crate::trace::event::{Event, StopReason, Trace, TraceId};
use crate::trace::fleet::departure::{self, Desk, Route};
use crate::trace::fleet::names::Names;
use crate::trace::fleet::probes::ProbeTable;
use crate::trace::fleet::work::WorkQueue;
use crate::trace::identify::matching::{Match, Matcher, Signature};
use crate::trace::path::hop::Arrival;
use crate::trace::path::run::{Attribution, TraceRun};
use crate::trace::path::schedule::{self, Next};
use crate::types::{Instant, IpEndpoint, Now, ProbeId, Stamp};

/// How many traces run at once where nobody says how fast the run may be, or where only the newest probe to a port can be told.
const AT_ONCE: u32 = 16;
/// The same where a rate is asked for: traces begin only while those that run leave the rate room.
const MAX_AT_ONCE: u32 = 1024;
/// So many probes of all traces together may be on record: half of what 16 bits tell apart.
const NUMBERS: u32 = 1 << 15;
/// So many probes leave before answers are read: a receive buffer holds a few hundred.
const BATCH: usize = 64;

/// Traces the path to each target; see [`crate::trace`] for how.
#[derive(Debug)]
pub struct Tracer {
    config: Config,
    signature: Signature,
    probes: ProbeTable,
    names: Names,
    /// Targets whose trace has not begun, by index, in argument order.
    queue: VecDeque<usize>,
    /// Traces under way, by the index of their target.
    runs: BTreeMap<usize, TraceRun>,
    /// Where those go.
    busy: HashSet<(LaneId, IpAddr)>,
    /// Until when a destination that limits its answers is left alone, after each flow that it answered.
    resting: HashMap<(LaneId, IpAddr), Instant>,
    work: WorkQueue,
    events: VecDeque<Event>,
    /// What all traces together may send.
    cap: Option<Cap>,
    /// When the probes can leave that were held up.
    held: Option<Instant>,
    payload: Vec<u8>,
    /// When the next flow of a target under way may begin.
    next_flow_at: Option<Instant>,
    /// Connections that have told what they can.
    hang_up: Vec<Token>,
    /// Whether orders about them were given just now: a run is not over before they are carried out.
    hanging_up: bool,
}

impl Tracer {
    /// A run of traces. A `first_ttl`, `probes_per_hop`, `in_flight` or `gap_limit` of 0 is taken as 1, a `max_ttl` below
    /// `first_ttl` as `first_ttl`, and a packet size as the nearest a packet can have.
    pub fn new(config: Config) -> Tracer {
        Tracer {
            signature: Signature::new(&config),
            probes: ProbeTable::default(),
            names: Names::new(config.names, config.origins.clone()),
            queue: (0..config.targets.len().saturating_mul(config.flows_per_target())).collect(),
            runs: BTreeMap::new(),
            busy: HashSet::new(),
            resting: HashMap::new(),
            work: WorkQueue::default(),
            events: VecDeque::new(),
            cap: config.rate.and_then(|rate| Cap::new(Instant::ZERO, rate)),
            held: Some(Instant::ZERO),
            payload: Vec::new(),
            next_flow_at: None,
            hang_up: Vec::new(),
            hanging_up: false,
            config,
        }
    }

    /// Begins traces while there is room, and finishes what `now` decides.
    fn advance(&mut self, now: Now) {
        loop {
            self.begin(now);
            let due = self.work.take_due(now.mono);
            if due.is_empty() {
                return;
            }
            for index in due {
                let Some(run) = self.runs.get_mut(&index) else { continue };
                let awaited = self.names.are_awaited();
                let over = run.advance(&self.config, &mut self.names, now.mono, &mut self.events);
                if awaited && !self.names.are_awaited() {
                    self.touch_where(TraceRun::awaits_names);
                }
                if over {
                    self.finish(index, now.mono);
                    continue;
                }
                let Some(run) = self.runs.get_mut(&index) else { continue };
                if self.probes.limits_flows(run.lane) {
                    run.given_up(&self.config, now.mono).for_each(|probe| self.probes.give_up_flow(probe));
                }
                self.work.schedule(index, run.wake(&self.config, now.mono));
            }
        }
    }

    fn touch_where(&mut self, matter: impl Fn(&TraceRun) -> bool) {
        for (&index, _) in self.runs.iter().filter(|(_, run)| matter(run)) {
            self.work.touch(index);
        }
    }

    fn finish(&mut self, index: usize, now: Instant) {
        self.work.remove(index);
        let probes = self.probes.close(index);
        let Some(run) = self.runs.remove(&index) else { return };
        let same = |other: &TraceRun| (other.lane, other.target.address) == (run.lane, run.target.address);
        if self.config.flows_per_target() < 2 || !self.runs.values().any(same) {
            self.busy.remove(&(run.lane, run.target.address));
        }
        if self.config.flows_per_target() > 1 && run.reached() {
            self.resting.insert((run.lane, run.target.address), now + run.limit_pause());
        }
        if run.profile.connects() {
            self.hang_up.extend(probes.into_iter().map(|probe| Token::new(probe.get())));
        }
    }

    fn begin(&mut self, now: Now) {
        while self.has_room() {
            let Some(at) = self.queue.iter().position(|&index| self.may_begin(index, now.mono)) else { return };
            if let Some(index) = self.queue.remove(at) {
                self.begin_one(index, now);
            }
        }
    }

    /// Whether another trace may begin: as many run as the numbers of probes can tell apart, but no more than have what they
    /// need to go on.
    fn has_room(&self) -> bool {
        let hurried = !self.config.paced || self.cap.is_some();
        let at_once = if hurried { NUMBERS / self.config.probes() } else { AT_ONCE };
        let backlog = if self.cap.is_some() { 0 } else { BATCH };
        self.runs.len() < at_once.clamp(1, MAX_AT_ONCE) as usize && self.work.backlog() <= backlog
    }

    /// Two traces of one address would share its ports and its rate limit: the second waits for the first. Flows of one target
    /// do not, where the target does not limit its answers; where it does, the next begins when it can be relied on to answer.
    fn may_begin(&self, index: usize, now: Instant) -> bool {
        let Some(Route { target: to, lane, profile, .. }) = Route::of_trace(&self.config, index) else { return true };
        let at_once = if profile.connects() {
            // Every probe is a connection, held until the trace is over.
            profile.max_open / self.config.probes()
        } else if profile.protocol == Protocol::Udp && !profile.writes_header() {
            // All traces have the same ports.
            AT_ONCE
        } else {
            MAX_AT_ONCE
        };
        let running = || self.runs.values().filter(|run| run.lane == lane).count();
        let room = at_once >= MAX_AT_ONCE || running() < at_once.max(1) as usize;
        let there = (lane, to.address);
        let rested = self.resting.get(&there).is_none_or(|&until| until <= now);
        room && rested && (!self.busy.contains(&there) || self.flow_may_begin(index, profile.protocol, now))
    }

    /// Each flow of a target begins as much later than the one before as keeps the probes that a router gets of both apart.
    fn flow_may_begin(&self, index: usize, protocol: Protocol, now: Instant) -> bool {
        let flows = self.config.flows_per_target();
        let first = index / flows * flows;
        let mut siblings = self.runs.range(first..first + flows).peekable();
        let Some(spread) = schedule::flow_spread(&self.config, protocol) else { return false };
        siblings.peek().is_some() && siblings.all(|(_, run)| run.started() + spread <= now)
    }

    /// When the next flow of a target under way may begin.
    fn next_begins(&self, now: Instant) -> Option<Instant> {
        if self.queue.is_empty() || self.config.flows_per_target() < 2 {
            return None;
        }
        let begins = |run: &TraceRun| Some(run.started() + schedule::flow_spread(&self.config, run.profile.protocol)?);
        let spread = self.runs.values().filter_map(begins).max();
        self.resting.values().copied().chain(spread).filter(|&at| at > now).min()
    }

    /// What the run is to do.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    fn begin_one(&mut self, index: usize, now: Now) {
        let id = TraceId::new(u32::try_from(index).unwrap_or(u32::MAX));
        self.emit_start(index, now);
        let Some(route) = Route::of_trace(&self.config, index) else {
            self.emit_unsent(id, StopReason::SendFailed);
            return;
        };
        route.limit_flows(self.config.ports, &mut self.probes);
        self.busy.insert((route.lane, route.target.address));
        self.runs.insert(index, TraceRun::new(&self.config, id, route, self.ahead(), now.mono));
        self.work.touch(index);
    }

    /// How many TTLs a trace without pacing may run ahead of its answers: one alone all of them, many together no more than that.
    fn ahead(&self) -> usize {
        let ttls = self.config.probes() / self.config.probes_per_hop.max(1);
        (ttls as usize / self.config.targets.len().max(1)).max(1)
    }

    fn emit_start(&mut self, index: usize, now: Now) {
        if let Some(start) = departure::start(&self.config, &self.signature, index, now.wall) {
            self.events.push_back(Event::Start(Box::new(start)));
        }
    }

    /// Tells the end of a trace that sent nothing.
    fn emit_unsent(&mut self, trace: TraceId, stop_reason: StopReason) {
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

    /// Orders what is due, of the traces that began first before that of others. Gives when it can go on, where the rate or the
    /// size of a batch held it up.
    fn send_due(&mut self, now: Now, outbox: &mut Outbox) -> Option<Instant> {
        let mut from = 0;
        while let Some(index) = self.work.next_ready(from) {
            from = index + 1;
            let held = self.send_of(index, now, outbox);
            if held.is_some() {
                return held;
            }
        }
        None
    }

    /// Orders the probes of one trace that are due.
    fn send_of(&mut self, index: usize, now: Now, outbox: &mut Outbox) -> Option<Instant> {
        let (mut later, mut held) = (None, None);
        while let Some(run) = self.runs.get(&index) {
            let (ttl, slot) = match run.next(&self.config, now.mono) {
                Next::Probe { ttl, index: slot } => (ttl, slot),
                other => {
                    later = if let Next::At(at) = other { Some(at) } else { None };
                    self.work.rest(index);
                    break;
                }
            };
            // Without a flow it stays ready: others will be given up.
            let Some(flow) = run.route().next_flow(&self.probes) else { break };
            held = self.may_send(now, outbox);
            if held.is_some() {
                break;
            }
            self.order(index, (ttl, slot), flow, now, outbox);
        }
        if let Some(run) = self.runs.get(&index) {
            let wake = [later, run.wake(&self.config, now.mono)].into_iter().flatten().min();
            self.work.schedule(index, wake);
        }
        held
    }

    /// Takes leave to send one probe now. Gives when the next of any trace may leave, if that is later.
    pub(super) fn may_send(&mut self, now: Now, outbox: &Outbox) -> Option<Instant> {
        let full = (outbox.len() >= BATCH).then_some(now.mono);
        let held = full.or_else(|| self.cap.map(|cap| cap.next()).filter(|&next| next > now.mono));
        if let (Some(cap), None) = (&mut self.cap, held) {
            cap.take(now.mono);
        }
        held
    }

    /// Orders the probe of this slot.
    fn order(&mut self, index: usize, (ttl, slot): (u8, usize), flow: u16, now: Now, outbox: &mut Outbox) {
        let Some(run) = self.runs.get_mut(&index) else { return };
        let route = run.route();
        let mut desk = Desk { signature: &self.signature, probes: &mut self.probes, payload: &mut self.payload };
        let probe = desk.order(&route, (index, ttl, slot), (run.probes(), flow), self.config.ports, outbox);
        run.ordered(&self.config, ttl, slot, probe, Stamp::user(now));
    }

    fn matcher<'a>(&'a self, profile: &'a Profile, lane: LaneId) -> Matcher<'a> {
        Matcher { signature: &self.signature, probes: &self.probes, profile, lane }
    }

    fn take(&mut self, lane: LaneId, matched: Match, now: Instant) {
        match matched {
            Match::Answer(probe, arrival) => self.take_answer(probe, *arrival),
            Match::Unnamed(from, arrival) => self.take_unnamed(lane, from, *arrival, now),
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
        if let Some(entry) = self.probes.entry(probe) {
            let arrival = Arrival::plain(entry.destination, stamp, None);
            self.take_answer(probe, arrival);
        }
    }

    fn take_unnamed(&mut self, lane: LaneId, from: IpEndpoint, arrival: Arrival, now: Instant) {
        let port = |run: &TraceRun| departure::port(&self.config, run.probes());
        let is_target =
            |run: &TraceRun| (run.lane, run.target.address, port(run)) == (lane, from.address, from.port_number());
        let Some((&index, run)) = self.runs.iter_mut().find(|(_, run)| is_target(run)) else { return };
        match run.attribute_unnamed(now) {
            Attribution::Probe(probe) => self.take_answer(probe, arrival),
            Attribution::Ambiguous(probes) => {
                for probe in probes {
                    self.probes.remove(probe);
                }
                self.work.touch(index);
            }
            Attribution::Unknown => {}
        }
    }

    fn take_answer(&mut self, probe: ProbeId, arrival: Arrival) {
        let Some(&entry) = self.probes.entry(probe) else { return };
        let Some(run) = self.runs.get_mut(&entry.trace) else { return };
        let responder = arrival.responder;
        if !run.answer(&self.config, entry.ttl, entry.slot, arrival) {
            return;
        }
        self.probes.answered(probe);
        self.work.touch(entry.trace);
        if run.profile.connects() {
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
                self.touch_where(|_| true);
                self.drop_queue(now);
            }
            Control::Stop => {
                self.runs.values_mut().for_each(TraceRun::close);
                self.touch_where(|_| true);
                self.drop_queue(now);
            }
            Control::Name(answer) => {
                self.names.answer(answer);
                self.touch_where(TraceRun::awaits_names);
            }
            Control::Origin(answer) => {
                self.names.answer_origin(answer);
                self.touch_where(TraceRun::awaits_names);
            }
            Control::Interim => {
                self.events.push_back(Event::Interim(self.runs.values().map(TraceRun::interim).collect()));
            }
            // The targets are known from the start.
            Control::Add { .. } | Control::Remove { .. } | Control::Supplied | Control::Address(_) => {}
        }
    }

    /// Tells the traces that will not begin any more.
    fn drop_queue(&mut self, now: Now) {
        for index in std::mem::take(&mut self.queue) {
            let id = TraceId::new(u32::try_from(index).unwrap_or(u32::MAX));
            self.emit_start(index, now);
            let reason = if Route::of_trace(&self.config, index).is_some() {
                StopReason::Interrupted
            } else {
                StopReason::SendFailed
            };
            self.emit_unsent(id, reason);
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
        self.hanging_up = !self.hang_up.is_empty();
        for token in self.hang_up.drain(..) {
            outbox.push(Order::Close { token, how: CloseHow::Reset });
        }
        self.held = self.send_due(now, outbox);
        // Those that have nothing to send any more leave room for others.
        self.begin(now);
        self.next_flow_at = self.next_begins(now.mono);
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        match inbound {
            Inbound::Datagram(datagram) => {
                let Some(profile) = self.profile(datagram.lane) else { return };
                let matched = self.matcher(&profile, datagram.lane).datagram(datagram, octets);
                self.take(datagram.lane, matched, now.mono);
            }
            Inbound::Icmp(report) => {
                let Some(profile) = self.profile(report.lane) else { return };
                let matched = self.matcher(&profile, report.lane).report(report, octets);
                self.take(report.lane, matched, now.mono);
            }
            Inbound::Sent(sent) => {
                let probe = ProbeId::new(sent.token.get());
                let Some(entry) = self.probes.entry(probe) else { return };
                let run = self.runs.get_mut(&entry.trace);
                if run.is_some_and(|run| run.sent(entry.ttl, entry.slot, probe, sent.departure())) {
                    self.work.touch(entry.trace);
                }
            }
            Inbound::Refused(refused) => {
                let Some(entry) = self.probes.remove(ProbeId::new(refused.token.get())) else { return };
                if let Some(run) = self.runs.get_mut(&entry.trace) {
                    run.refused((entry.ttl, entry.slot), refused.error, now.mono, &mut self.events);
                    self.work.touch(entry.trace);
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
            | Inbound::Dropped(_)
            | Inbound::Clock(_) => {}
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let parting = (self.hanging_up || !self.hang_up.is_empty()).then_some(Instant::ZERO);
        [parting, self.held, self.work.next(), self.next_flow_at].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Now) {
        self.advance(now);
        // Whatever was held up is tried with the next orders.
        self.held = None;
        self.next_flow_at = None;
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn is_finished(&self) -> bool {
        self.queue.is_empty() && self.runs.is_empty() && self.hang_up.is_empty() && !self.hanging_up
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::channel::{ErrorOrigin, IcmpNotice};
    use crate::trace::testing::{Back, Lab, Probe, TARGET, at, config, datagram, ms, profile, raw, report, router};
    use crate::types::Ttl;

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
                never.to = never.to.map(|to| to.with_port(if to.port.is_none() { 0 } else { 9 }));
                let mut local = report(probe, at, (router(99), 3, 1));
                local.origin = ErrorOrigin::Local;
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
                    let report = report(probe, Stamp::user(at(ms(5))), (router(99), 11, 0));
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
            let asked = |hop: &crate::trace::Hop| hop.probes.iter().filter(|probe| !probe.again).count();
            prop_assert!(hops.iter().all(|hop| asked(hop) == probes.max(1) as usize));
        }
    }
}
