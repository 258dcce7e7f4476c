//! Traces that find the MTU of their path as well: [`MtuTracer`].
//!
//! Each trace runs as always, with small packets. Then the sizes that pass to its farthest hop are searched, the hop where
//! larger ones fail, the sizes that pass to the one before, and so on ([`evidence`]). Every size is tried on its own: what
//! routers state is only a hint of what to try. Nothing back is no refusal until smaller packets are answered meanwhile
//! ([`attempt`]). A trace is reported once its search is over.

mod attempt;
mod evidence;
mod search;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use self::search::{MAX_PROBES, Search};
use super::config::Config;
use super::event::{Event, Interim};
use super::fleet::route::Route;
use super::fleet::{Arrived, Fleet};
use super::path::hop::Arrival;
use super::result::Trace;
use super::tracer::Tracer;
use crate::channel::{Arena, Inbound, Outbox};
use crate::engine::outcome::{Answered, Outcome, Standing, SubjectId};
use crate::engine::{AnswerKind, Decided, Machine};
use crate::types::{Instant, Now, ProbeId, Ttl};

/// Numbers of search probes follow this one, so that neither they nor their lower halves are those of a trace that runs
/// meanwhile.
const LAST_NUMBER: ProbeId = ProbeId::new(1 << 48 | 1 << 15);
/// Ports that count up begin this far after those of a trace, which are one for each of its probes.
const FIRST_PORT_INDEX: u32 = 255 * 10;

/// Traces the path to each target and finds how large packets may be to each of its hops. See the module for how.
#[derive(Debug)]
pub struct MtuTracer {
    tracer: Tracer,
    /// The routes and probes of the searches.
    fleet: Fleet,
    /// When the traces under way began.
    started: BTreeMap<SubjectId, Instant>,
    /// Searches under way, by the index of their target.
    searches: BTreeMap<usize, Search>,
    events: VecDeque<Event>,
    /// What was made of the answer to a search that came last.
    decided: Option<Decided>,
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
        let limit = config.packet_octets;
        let config = Config { packet_octets: None, flows: None, ..config };
        let mut tracer = Tracer::new(config.clone());
        tracer.fleet.set_search_limit(limit);
        MtuTracer {
            tracer,
            fleet: Fleet::for_search(config, LAST_NUMBER),
            started: BTreeMap::new(),
            searches: BTreeMap::new(),
            events: VecDeque::new(),
            decided: None,
            held: None,
            wake: None,
            stopped: false,
        }
    }

    /// Takes the events of the traces. Their hops are held back: a trace's end repeats them.
    fn collect(&mut self, now: Now) {
        while let Some(event) = self.tracer.poll_event() {
            match event {
                Event::Hop(..) => {}
                Event::Ended(trace) => self.begin(Arc::unwrap_or_clone(trace), now),
                Event::Began(began) => {
                    self.started.insert(began.subject.id, now.mono);
                    self.events.push_back(Event::Began(began));
                }
                other => self.events.push_back(other),
            }
        }
    }

    fn begin(&mut self, trace: Trace, now: Now) {
        let index = trace.began.subject.id.index();
        let started = self.started.remove(&trace.began.subject.id).unwrap_or(now.mono);
        let route = Route::of_trace(&self.fleet.config, index).filter(|_| !self.stopped && Search::is_possible(&trace));
        let Some(route) = route else { return self.emit(trace) };
        let sizes = self.tracer.fleet.sizes(&route.profile);
        let search = Search::new(&self.fleet.config, trace, route, sizes, (started, now.mono));
        self.fleet.open(index, route);
        self.searches.insert(index, search);
    }

    fn emit(&mut self, trace: Trace) {
        let hops = trace.hops.iter().map(|hop| Event::Hop(Arc::clone(&trace.began.subject), Arc::clone(hop)));
        self.events.extend(hops);
        self.events.push_back(Event::Ended(Arc::new(trace)));
    }

    fn advance(&mut self, now: Now) {
        let mut over = Vec::new();
        for (&index, search) in &mut self.searches {
            if self.stopped || search.advance(now.mono) {
                over.push(index);
            } else {
                self.fleet.give_up(search.route.lane, search.given_up(now.mono));
            }
        }
        for index in over {
            self.fleet.close(index);
            if let Some(search) = self.searches.remove(&index) {
                self.emit(search.finish(now.mono));
            }
        }
    }

    /// Orders what is due. Gives when it can go on, where the rate or the size of a batch held it up.
    fn send_due(&mut self, now: Now, outbox: &mut Outbox) -> Option<Instant> {
        for (&index, search) in &mut self.searches {
            while let Some(next) = search.next(now.mono) {
                // Without a flow it stays due: others will be given up.
                let Some(flow) = self.fleet.next_flow(&search.route) else { break };
                let held = self.tracer.fleet.may_send(now, outbox);
                if held.is_some() {
                    return held;
                }
                let number = FIRST_PORT_INDEX + u32::try_from(next.index).unwrap_or(MAX_PROBES as u32);
                let slot = (index, next.ttl, next.index);
                let probe = self.fleet.order(&search.route, slot, (number, flow), Some(next.octets), outbox);
                search.ordered(probe, now.mono);
            }
        }
        None
    }

    fn take_answer(&mut self, probe: ProbeId, arrival: &Arrival) {
        let Some(&entry) = self.fleet.probes.entry(probe) else { return };
        let answered = if entry.open { Answered::Open(None) } else { Answered::InTime };
        self.decided = Some(Decided {
            probe,
            target: Some(entry.destination),
            ttl: Some(Ttl::new(entry.ttl)),
            kind: match &arrival.outcome {
                Outcome::Refused(_) => AnswerKind::Refusal,
                Outcome::Error(_) => AnswerKind::Error,
                _ => AnswerKind::Reply,
            },
            standing: Standing::of(answered, arrival.stamp.user.mono),
            rtt: None,
            wrong_source: false,
            payload_changed: false,
            truncated: false,
        });
        if self.searches.get_mut(&entry.trace).is_some_and(|search| search.answer(entry.slot, arrival)) {
            self.fleet.probes.answered(probe);
        }
    }

    /// Takes what concerns the searches.
    fn take(&mut self, arrived: Arrived, now: Now) {
        match arrived {
            Arrived::Answer(probe, _, arrival) => self.take_answer(probe, &arrival),
            Arrived::Unnamed(index, arrival) => {
                let only = self.searches.get(&index).and_then(|search| search.only_open(now.mono));
                if let Some(probe) = only {
                    self.take_answer(probe, &arrival);
                }
            }
            Arrived::Refused(_, entry, error, mtu) => {
                if let Some(search) = self.searches.get_mut(&entry.trace) {
                    search.refused(entry.slot, (error, mtu), now.mono);
                }
            }
            Arrived::Interrupt | Arrived::Stop => self.stopped = true,
            Arrived::Interim => {
                let interims: Vec<Interim> = self.searches.values().map(Search::interim).collect();
                self.events.extend(interims.into_iter().map(Event::Interim));
            }
            // No delay is measured here, and names are the traces' own.
            Arrived::Sent(..) | Arrived::Unmatched(..) | Arrived::Named | Arrived::Changed(_) => {}
        }
    }
}

impl Machine for MtuTracer {
    type Event = Event;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        // Searches go before the traces that follow, which would leave them nothing of a common rate.
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
        if let Some(arrived) = self.fleet.arrived(now, inbound, octets) {
            self.take(arrived, now);
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

    fn poll_decided(&mut self) -> Option<Decided> {
        self.decided.take()
    }

    fn poll_event(&mut self) -> Option<Event> {
        Some(self.events.pop_front()?.judged(&self.fleet.config))
    }

    fn is_finished(&self) -> bool {
        self.tracer.is_finished() && self.started.is_empty() && self.searches.is_empty()
    }
}
