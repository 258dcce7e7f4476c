//! Traces that find the MTU of their path as well: [`MtuTracer`].
//!
//! Each trace runs as always, with small packets. Then the sizes that pass to its farthest hop are searched, the hop where
//! larger ones fail, the sizes that pass to the one before, and so on ([`evidence`]). Every size is tried on its own: what
//! routers state is only a hint of what to try. Nothing back is no refusal until smaller packets are answered meanwhile
//! ([`attempt`]). A trace is told once its search is over.

mod attempt;
mod evidence;
mod search;

use std::collections::{BTreeMap, VecDeque};

use self::search::{MAX_PROBES, Search};
use crate::channel::{Arena, Control, Inbound, LaneId, Outbox, Profile};
use crate::engine::Machine;
use crate::trace::config::Config;
use crate::trace::event::{Event, Trace, TraceId};
use crate::trace::fleet::departure::{Desk, Route};
use crate::trace::fleet::probes::ProbeTable;
use crate::trace::identify::matching::{Match, Matcher, Signature};
use crate::trace::path::hop::Arrival;
use crate::trace::tracer::Tracer;
use crate::types::{Family, Instant, Now, ProbeId};

/// The largest packet there can be without a jumbo payload (RFC 791 §3.1, RFC 8200 §3).
const LARGEST: [usize; 2] = [65_535, 65_575];
/// Numbers of our probes begin behind this, so that they are not those of a trace that runs meanwhile, their lower half neither.
const FIRST_NUMBER: ProbeId = ProbeId::new(1 << 48 | 1 << 15);
/// Ports that count up begin this far behind those of a trace, which are one for each of its probes.
const FIRST_PORT_INDEX: u32 = 255 * 10;

/// Traces the path to each target and finds how large packets may be to each of its hops. See the module for how.
#[derive(Debug)]
pub struct MtuTracer {
    tracer: Tracer,
    /// No larger packets are tried.
    limit: Option<usize>,
    signature: Signature,
    probes: ProbeTable,
    /// When the traces under way were started.
    started: BTreeMap<TraceId, Instant>,
    /// Searches under way, by the index of their target.
    searches: BTreeMap<usize, Search>,
    events: VecDeque<Event>,
    payload: Vec<u8>,
    /// When the packets can leave that were held up.
    held: Option<Instant>,
    /// When the searches go on, also if nothing happens before.
    wake: Option<Instant>,
    /// No more searches.
    stopped: bool,
}

impl MtuTracer {
    /// A run of traces as [`Tracer::new`] has it, over lanes that do not fragment. A packet size limits what is tried.
    pub fn new(config: Config) -> Self {
        let (limit, seed) = (config.packet_octets, config.seed);
        // The signature is not the trace's own: its late answers are none to the packets of a matcher.
        let config = Config { packet_octets: None, flows: 1, seed: seed ^ FIRST_NUMBER.get(), ..config };
        MtuTracer {
            limit,
            signature: Signature::new(&config),
            probes: ProbeTable::after(FIRST_NUMBER),
            started: BTreeMap::new(),
            searches: BTreeMap::new(),
            events: VecDeque::new(),
            payload: Vec::new(),
            held: None,
            wake: None,
            stopped: false,
            tracer: Tracer::new(Config { seed, ..config }),
        }
    }

    fn route(&self, index: usize) -> Option<Route> {
        Route::of_trace(self.tracer.config(), index)
    }

    fn limit(&self, profile: &Profile) -> usize {
        let largest = LARGEST[usize::from(profile.family == Family::V6)];
        self.limit.map_or(largest, |limit| limit.min(largest).max(self.signature.whole_octets(profile)))
    }

    /// Takes what the traces tell. Their hops are held back: a trace's end repeats them.
    fn collect(&mut self, now: Now) {
        while let Some(event) = self.tracer.poll_event() {
            match event {
                Event::Start(mut start) => {
                    self.started.insert(start.trace, now.mono);
                    if let Some(route) = self.route(start.trace.index()) {
                        start.packet_octets = self.limit(&route.profile);
                    }
                    self.events.push_back(Event::Start(start));
                }
                Event::Hop(..) => {}
                Event::End(trace) => self.begin(*trace, now),
                Event::Interim(mut all) => {
                    all.extend(self.searches.values().map(Search::interim));
                    self.events.push_back(Event::Interim(all));
                }
                Event::NameWanted(_) | Event::SendFailed { .. } => self.events.push_back(event),
            }
        }
    }

    fn begin(&mut self, trace: Trace, now: Now) {
        let index = trace.trace.index();
        let started = self.started.remove(&trace.trace).unwrap_or(now.mono);
        let Some(route) = self.route(index).filter(|_| !self.stopped) else { return self.emit(trace) };
        let sizes = (self.signature.whole_octets(&route.profile), self.limit(&route.profile));
        let search = match Search::new(self.tracer.config(), trace, route, sizes, (started, now.mono)) {
            Ok(search) => search,
            Err(trace) => return self.emit(trace),
        };
        route.limit_flows(self.tracer.config().ports, &mut self.probes);
        self.searches.insert(index, search);
    }

    fn emit(&mut self, trace: Trace) {
        let id = trace.trace;
        self.events.extend(trace.hops.iter().map(|hop| Event::Hop(id, Box::new(hop.clone()))));
        self.events.push_back(Event::End(Box::new(trace)));
    }

    fn advance(&mut self, now: Now) {
        let mut over = Vec::new();
        for (&index, search) in &mut self.searches {
            if self.stopped || search.advance(now.mono) {
                over.push(index);
            } else if self.probes.limits_flows(search.route.lane) {
                search.given_up(now.mono).for_each(|probe| self.probes.give_up_flow(probe));
            }
        }
        for index in over {
            self.probes.close(index);
            if let Some(search) = self.searches.remove(&index) {
                let trace = search.finish(now.mono);
                self.emit(trace);
            }
        }
    }

    /// Orders what is due. Gives when it can go on, where the rate or the size of a batch held it up.
    fn send_due(&mut self, now: Now, outbox: &mut Outbox) -> Option<Instant> {
        for (&index, search) in &mut self.searches {
            while let Some(order) = search.next(now.mono) {
                // Without a flow it stays due: others will be given up.
                let Some(flow) = search.route.next_flow(&self.probes) else { break };
                let held = self.tracer.may_send(now, outbox);
                if held.is_some() {
                    return held;
                }
                let signature = Signature { packet_octets: Some(order.octets), ..self.signature };
                let mut desk = Desk { signature: &signature, probes: &mut self.probes, payload: &mut self.payload };
                let number = FIRST_PORT_INDEX + u32::try_from(order.index).unwrap_or(MAX_PROBES as u32);
                let (slot, ports) = ((index, order.ttl, order.index), self.tracer.config().ports);
                let probe = desk.order(&search.route, slot, (number, flow), ports, outbox);
                search.ordered(probe, now.mono);
            }
        }
        None
    }

    /// Takes what arrived on `lane`, if it answers a packet of a matcher.
    fn take(&mut self, lane: LaneId, now: Instant, find: impl FnOnce(&Matcher<'_>) -> Match) {
        let Some(profile) =
            self.searches.values().find(|search| search.route.lane == lane).map(|search| search.route.profile)
        else {
            return;
        };
        match find(&Matcher { signature: &self.signature, probes: &self.probes, profile: &profile, lane }) {
            Match::Answer(probe, arrival) => self.take_answer(probe, &arrival),
            Match::Unnamed(from, arrival) => {
                let of_target =
                    |search: &&Search| (search.route.lane, search.route.target.address) == (lane, from.address);
                let only = self.searches.values().find(of_target).and_then(|search| search.only_open(now));
                if let Some(probe) =
                    only.filter(|&probe| self.probes.entry(probe).is_some_and(|to| to.port == from.port_number()))
                {
                    self.take_answer(probe, &arrival);
                }
            }
            Match::Unmatched(_) | Match::Foreign => {}
        }
    }

    fn take_answer(&mut self, probe: ProbeId, arrival: &Arrival) {
        let Some(entry) = self.probes.entry(probe) else { return };
        if self.searches.get_mut(&entry.trace).is_some_and(|search| search.answer(entry.slot, arrival)) {
            self.probes.answered(probe);
        }
    }
}

impl Machine for MtuTracer {
    type Event = Event;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        // Searches go before the traces behind them, which would leave them nothing of a common rate.
        self.advance(now);
        self.send_due(now, outbox);
        self.tracer.poll_orders(now, outbox);
        self.collect(now);
        // Those that began just now.
        self.advance(now);
        self.held = self.send_due(now, outbox);
        self.wake = self.searches.values().filter_map(|search| search.wake(now.mono)).min();
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        match inbound {
            Inbound::Datagram(datagram) => {
                self.take(datagram.lane, now.mono, |matcher| matcher.datagram(datagram, octets))
            }
            Inbound::Icmp(report) => self.take(report.lane, now.mono, |matcher| matcher.report(report, octets)),
            Inbound::Refused(refused) => {
                if let Some(entry) = self.probes.remove(ProbeId::new(refused.token.get()))
                    && let Some(search) = self.searches.get_mut(&entry.trace)
                {
                    search.refused(entry.slot, (refused.error, refused.mtu), now.mono);
                }
            }
            Inbound::Control(Control::Interrupt | Control::Terminate | Control::Stop) => self.stopped = true,
            // What befalls connections is none of ours, and no delay is measured here.
            _ => {}
        }
        self.tracer.handle(now, inbound, octets);
        self.wake = Some(Instant::ZERO);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.tracer.poll_timeout(), self.held, self.wake].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Now) {
        self.tracer.handle_timeout(now);
        self.collect(now);
        self.advance(now);
        // Whatever is due is tried with the next orders.
        self.held = None;
        self.wake = None;
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn is_finished(&self) -> bool {
        self.tracer.is_finished() && self.started.is_empty() && self.searches.is_empty()
    }
}
