//! Traces that find the MTU of their path as well: [`MtuTracer`].
//!
//! Each trace runs as always, with small packets. Then the sizes that pass to its farthest hop are searched, the hop where
//! larger ones fail, the sizes that pass to the one before, and so on ([`evidence`]). Every size is tried on its own: what
//! routers state is only a hint of what to try. Nothing back is no refusal until smaller packets are answered meanwhile
//! ([`trial`]). A trace is told once its search is over.

mod evidence;
mod hunt;
mod trial;

use std::collections::{BTreeMap, VecDeque};

use self::hunt::{Hunt, MOST_SHOTS};
use super::book::{Book, Entry, SentFields};
use super::config::{Config, Ports};
use super::event::{Event, Trace, TraceId};
use super::flow;
use super::matching::{Mark, Match, Search};
use super::tracer::{self, Tracer};
use crate::channel::{Arena, Control, Inbound, LaneId, Outbox, Profile, Protocol, SocketKind};
use crate::engine::Machine;
use crate::types::{Family, Instant, Now, ProbeId};

/// The largest packet there can be without a jumbo payload (RFC 791 §3.1, RFC 8200 §3).
const LARGEST: [usize; 2] = [65_535, 65_575];
/// Numbers of our probes begin behind this, so that they are not those of a trace that runs meanwhile, their lower half neither.
const NUMBERS_BEHIND: ProbeId = ProbeId::new(1 << 48 | 1 << 15);
/// Ports that count up begin this far behind those of a trace, which are one for each of its probes.
const PORTS_BEHIND: u32 = 255 * 10;

/// Traces the path to each target and finds how large packets may be to each of its hops. See the module for how.
#[derive(Debug)]
pub struct MtuTracer {
    tracer: Tracer,
    /// No larger packets are tried.
    limit: Option<usize>,
    mark: Mark,
    book: Book,
    /// When the traces under way were started.
    started: BTreeMap<TraceId, Instant>,
    /// Searches under way, by the index of their target.
    hunts: BTreeMap<usize, Hunt>,
    events: VecDeque<Event>,
    payload: Vec<u8>,
    wake: Option<Instant>,
    /// No more searches.
    stopped: bool,
}

impl MtuTracer {
    /// A run of traces as [`Tracer::new`] has it, over lanes that do not fragment. A packet size limits what is tried.
    pub fn new(config: Config) -> Self {
        let limit = config.packet_octets;
        let config = Config { packet_octets: None, ..config };
        MtuTracer {
            limit,
            // Not the trace's own: its late answers are none to the packets of a search.
            mark: Mark::new(&config, config.seed ^ NUMBERS_BEHIND.get()),
            book: Book::behind(NUMBERS_BEHIND),
            started: BTreeMap::new(),
            hunts: BTreeMap::new(),
            events: VecDeque::new(),
            payload: Vec::new(),
            wake: Some(Instant::ZERO),
            stopped: false,
            tracer: Tracer::new(config),
        }
    }

    fn limit(&self, profile: &Profile) -> usize {
        let largest = LARGEST[usize::from(profile.family == Family::V6)];
        self.limit.map_or(largest, |limit| limit.min(largest).max(self.mark.whole_octets(profile)))
    }

    /// Takes what the traces tell. Their hops are held back: a trace's end repeats them.
    fn collect(&mut self, now: Now) {
        while let Some(event) = self.tracer.poll_event() {
            match event {
                Event::Start(mut start) => {
                    self.started.insert(start.trace, now.mono);
                    if let Some(way) = self.tracer.way(start.trace.index()) {
                        start.packet_octets = self.limit(&way.profile);
                    }
                    self.events.push_back(Event::Start(start));
                }
                Event::Hop(..) => {}
                Event::End(trace) => self.begin(*trace, now),
                Event::Interim(mut all) => {
                    all.extend(self.hunts.values().map(Hunt::interim));
                    self.events.push_back(Event::Interim(all));
                }
                Event::NameWanted(_) | Event::SendFailed { .. } => self.events.push_back(event),
            }
        }
    }

    fn begin(&mut self, trace: Trace, now: Now) {
        let index = trace.trace.index();
        let started = self.started.remove(&trace.trace).unwrap_or(now.mono);
        let Some(way) = self.tracer.way(index).filter(|_| !self.stopped) else { return self.tell(trace) };
        let sizes = (self.mark.whole_octets(&way.profile), self.limit(&way.profile));
        let hunt = match Hunt::new(self.tracer.config(), trace, way, sizes, (started, now.mono)) {
            Ok(hunt) => hunt,
            Err(trace) => return self.tell(trace),
        };
        let without_numbers = way.profile.protocol == Protocol::Udp && way.profile.socket != SocketKind::Raw;
        if without_numbers && matches!(self.tracer.config().ports, Ports::Fixed(_)) {
            self.book.limit_flows(way.lane, way.profile.max_open);
        }
        self.hunts.insert(index, hunt);
    }

    fn tell(&mut self, trace: Trace) {
        let id = trace.trace;
        self.events.extend(trace.hops.iter().map(|hop| Event::Hop(id, Box::new(hop.clone()))));
        self.events.push_back(Event::End(Box::new(trace)));
    }

    fn advance(&mut self, now: Now) {
        let mut over = Vec::new();
        for (&index, hunt) in &mut self.hunts {
            if self.stopped || hunt.advance(now.mono) {
                over.push(index);
            } else if self.book.limits_flows(hunt.way.lane) {
                hunt.given_up(now.mono).for_each(|probe| self.book.give_up_flow(probe));
            }
        }
        for index in over {
            self.book.close(index);
            if let Some(hunt) = self.hunts.remove(&index) {
                let trace = hunt.finish(now.mono);
                self.tell(trace);
            }
        }
    }

    fn send_due(&mut self, now: Now, outbox: &mut Outbox) {
        for (&index, hunt) in &mut self.hunts {
            while let Some(order) = hunt.next(now.mono) {
                let Some(flow) = self.book.next_flow(hunt.way.lane) else { break };
                if !self.tracer.may_send(now.mono) {
                    return;
                }
                let way = hunt.way;
                let probe = self.book.next_number(|probe| self.mark.keys.are_usable(probe));
                let mark = Mark { packet_octets: Some(order.octets), ..self.mark };
                let number = PORTS_BEHIND + u32::try_from(order.index).unwrap_or(MOST_SHOTS as u32);
                let port = match way.profile.protocol {
                    Protocol::Icmp => 0,
                    _ => flow::port(self.tracer.config().ports, number),
                };
                let fields = mark.keys.fields(&way.profile, probe, flow, Some(way.packets.checksum));
                let entry = Entry {
                    trace: index,
                    ttl: order.ttl,
                    slot: order.index,
                    lane: way.lane,
                    destination: way.target.address,
                    port,
                    flow,
                    sent: SentFields { source: way.packets.source, ..fields },
                    open: true,
                };
                self.book.record(probe, entry);
                hunt.ordered(probe, now.mono);
                self.payload.clear();
                mark.push_payload(&way.profile, probe, &mut self.payload);
                tracer::outbox_push(&way, probe, &entry, &self.payload, outbox);
            }
        }
    }

    fn next_wake(&self, now: Instant) -> Option<Instant> {
        let of = |hunt: &Hunt| {
            let blocked = hunt.next(now).is_some();
            let wake = hunt.wake(now)?;
            // What is due and did not leave waits for the common rate, or for an answer to free its flow.
            Some(if blocked { self.tracer.may_send_at(now).max(wake) } else { wake })
        };
        self.hunts.values().filter_map(of).min()
    }

    /// Takes what arrived on `lane`, if it answers a packet of a search.
    fn take(&mut self, lane: LaneId, find: impl FnOnce(&Search<'_>) -> Match) {
        let Some(profile) =
            self.hunts.values().map(|hunt| hunt.way).find(|way| way.lane == lane).map(|way| way.profile)
        else {
            return;
        };
        let found = find(&Search { mark: &self.mark, book: &self.book, profile: &profile, lane });
        let Match::Answer(probe, arrival) = found else { return };
        let Some(entry) = self.book.entry(probe) else { return };
        if self.hunts.get_mut(&entry.trace).is_some_and(|hunt| hunt.answer(entry.slot, &arrival)) {
            self.book.answered(probe);
        }
    }
}

impl Machine for MtuTracer {
    type Event = Event;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        self.tracer.poll_orders(now, outbox);
        self.collect(now);
        self.advance(now);
        self.send_due(now, outbox);
        self.wake = self.next_wake(now.mono);
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        match inbound {
            Inbound::Datagram(datagram) => self.take(datagram.lane, |search| search.datagram(datagram, octets)),
            Inbound::Icmp(report) => self.take(report.lane, |search| search.report(report, octets)),
            Inbound::Refused(refused) => {
                if let Some(entry) = self.book.strike(ProbeId::new(refused.token.get()))
                    && let Some(hunt) = self.hunts.get_mut(&entry.trace)
                {
                    hunt.refused(entry.slot, (refused.error, refused.mtu), now.mono);
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
        [self.tracer.poll_timeout(), self.wake].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Now) {
        self.tracer.handle_timeout(now);
        self.collect(now);
        self.advance(now);
        self.wake = self.next_wake(now.mono);
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn is_finished(&self) -> bool {
        self.tracer.is_finished() && self.started.is_empty() && self.hunts.is_empty()
    }
}
