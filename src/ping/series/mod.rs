//! One series: a subject, its probes, and what is known of them.

mod answer;
mod closing;
mod connection;
mod datagram;
mod neighbour;
mod responders;
mod sending;
mod unstamped;
mod waiting;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use super::config::{Config, Task};
use super::delays::Delays;
use super::event::Event;
use super::probe::{Probe, token};
use super::reflections::Reflections;
use super::summary::Counts;
use crate::channel::{CloseHow, LaneId, Profile, Token};
use crate::engine::method::Method;
use crate::engine::outcome::{Outcome, Pace, ProbeEvent, Spec, Subject, SubjectId};
use crate::engine::pace::{Slots, Window};
use crate::engine::send_errors::SendErrors;
use crate::engine::{Destination, Inflight, Named};
use crate::metrics::{LossRuns, RttRecorder};
use crate::types::{ClockError, Endpoint, Instant, IpEndpoint, Now, ProbeId, Rtt, Sequence, WallTime};
use crate::wire::payload::Cookie;

use connection::Connections;
use responders::Responders;
use unstamped::Unstamped;

/// The state of the run that its series share.
pub(super) struct Context<'a> {
    pub(super) config: &'a Config,
    pub(super) now: Now,
    pub(super) events: &'a mut VecDeque<Event>,
    /// What is ordered besides probes.
    pub(super) orders: &'a mut VecDeque<SeriesOrder>,
}

/// An order of a series to the channel, besides its probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SeriesOrder {
    Write { token: Token, data: Arc<[u8]> },
    AskNeighbour { token: Token, lane: LaneId, to: IpEndpoint },
    Close { token: Token, how: CloseHow },
}

/// The route of a series' probes.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) to: Endpoint,
    /// The source address its packets are to have, where the kernel alone would choose anew for each.
    pub(super) from: Option<IpAddr>,
    pub(super) lane: LaneId,
    pub(super) profile: Profile,
}

#[derive(Clone, Copy, Debug)]
enum Pacer {
    Slots(Slots),
    Window(Window),
    /// This many probes were asked for.
    Called(u64),
}

#[derive(Debug)]
pub(super) struct Series {
    id: SubjectId,
    /// Of the subject; read for every probe, so it is at hand here.
    spec: Arc<Spec>,
    subject: Arc<Subject>,
    destination: Destination,
    method: Method,
    cookie: Cookie,
    pub(super) counts: Counts,
    probes: Inflight<Probe>,
    /// All probes before this one are decided.
    undecided: ProbeId,
    /// Orders that the channel has neither carried out nor refused.
    unconfirmed: u64,
    start: Instant,
    pacer: Pacer,
    /// No probe before this: an earlier one was not sent.
    not_before: Instant,
    /// The last probe was not sent: until one leaves they are tried one at a time.
    refused: bool,
    send_errors: SendErrors,
    /// When the newest refusal came.
    refused_at: Option<Instant>,
    /// Whether silence was ever taken for a closed port that is not reported each time.
    limited: bool,
    /// Probes that are open after an ICMP error.
    errored: u64,
    /// Until when a run that waits for nothing else waits for answers to those.
    errors_until: Option<Instant>,
    /// No more probes are wanted.
    stopped: bool,
    /// When the first probe left or was refused.
    first_tried: Option<Instant>,
    first_sent: Option<Now>,
    /// Whether its name has another address now.
    retired: bool,
    last_sent: Option<Instant>,
    last_packet: Option<Instant>,
    newest_sent: Option<ProbeId>,
    newest_replied: Option<ProbeId>,
    newest_answered: Option<ProbeId>,
    /// The newest probe about which anything came back, damaged replies included.
    newest_acknowledged: Option<ProbeId>,
    delays: Delays,
    /// The largest delay of an answer that came too late to count.
    slowest_late: Option<Rtt>,
    /// First replies, without those that the kernel could have stamped and did not: it does not in the first milliseconds of a
    /// run, and where many answers are read at once the time of reading is a bad substitute.
    timed_arrivals: u64,
    /// Answers that wait for a stamp of their probes, in order of arrival.
    unstamped: VecDeque<Unstamped>,
    loss_runs: LossRuns,
    pipe: u64,
    connections: Connections,
    /// Silent probes that are decided once the channel has reported whether they had a neighbour to go to.
    asked: Vec<ProbeId>,
    syn_retransmits: u64,
    /// Delays of what came back over connections.
    exchanges: RttRecorder,
    reflections: Option<Box<Reflections>>,
    /// The hosts that answered, where several can.
    responders: Option<Box<Responders>>,
    /// Whether several hosts may answer one probe.
    group: bool,
    /// Whether the service was ever seen to be there, in time or not.
    seen_open: bool,
    /// Whether the wait for further answers to the last probe of a group is over.
    lingered: bool,
    report_replies: bool,
    user_to_user: bool,
}

/// Room for the probes that are remembered at any time, where that is known: of thousands of series that grew to it step by step,
/// what they left behind would be as much again.
fn room(spec: &Spec, config: &Config) -> Inflight<Probe> {
    match spec.pace {
        Pace::Fixed(interval) if config.endless && !interval.is_zero() => {
            let remembered = config.memory.as_nanos() / interval.as_nanos();
            Inflight::with_room(usize::try_from(remembered).unwrap_or(usize::MAX).saturating_add(SPARE).min(MOST_ROOM))
        }
        _ => Inflight::default(),
    }
}

/// Probes that are remembered for longer than that, as they are looked at when the next leaves.
const SPARE: usize = 4;
/// As much room there is at most from the beginning: a series may be one that sends a single probe.
const MOST_ROOM: usize = 64;

impl Series {
    pub(super) fn new(id: SubjectId, task: Task, config: &Config, cookie: Cookie) -> Self {
        let payload_octets = task.method.payload_octets(task.spec.payload.octets);
        let subject = Subject::new(id, &task.target, task.method.kind(), task.spec);
        let subject = Subject { payload_octets, ..subject };
        let probes = room(&subject.spec, config);
        let group = subject.address.is_some_and(|target| match target {
            IpAddr::V4(target) => target.is_multicast() || target == Ipv4Addr::BROADCAST || config.broadcast,
            IpAddr::V6(target) => target.is_multicast(),
        });
        Series {
            id,
            spec: Arc::clone(&subject.spec),
            subject: Arc::new(subject),
            destination: task.target.destination,
            method: task.method,
            cookie,
            counts: Counts::default(),
            probes,
            undecided: ProbeId::FIRST,
            unconfirmed: 0,
            start: Instant::ZERO,
            pacer: Pacer::Window(Window::new(Duration::ZERO)),
            not_before: Instant::ZERO,
            refused: false,
            send_errors: SendErrors::default(),
            refused_at: None,
            limited: false,
            errored: 0,
            errors_until: None,
            stopped: false,
            retired: false,
            first_tried: None,
            first_sent: None,
            last_sent: None,
            last_packet: None,
            newest_sent: None,
            newest_replied: None,
            newest_answered: None,
            newest_acknowledged: None,
            delays: if config.keep_delays { Delays::new(config.codec.is_some()) } else { Delays::unkept() },
            slowest_late: None,
            timed_arrivals: 0,
            unstamped: VecDeque::new(),
            loss_runs: LossRuns::default(),
            pipe: 0,
            connections: Connections::default(),
            asked: Vec::new(),
            syn_retransmits: 0,
            exchanges: RttRecorder::default(),
            reflections: None,
            responders: None,
            group,
            seen_open: false,
            lingered: false,
            report_replies: config.report_replies,
            user_to_user: config.user_to_user,
        }
    }

    pub(super) fn id(&self) -> SubjectId {
        self.id
    }

    /// Pace, wait, header and payload of its probes.
    pub(super) fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Its subject.
    pub(super) fn subject(&self) -> &Arc<Subject> {
        &self.subject
    }

    pub(super) fn cookie(&self) -> &Cookie {
        &self.cookie
    }

    /// The route of its probes; `None` if it cannot be probed.
    pub(super) fn route(&self) -> Option<Route> {
        match &self.destination {
            &Destination::Reachable { endpoint, source, lane, ref profile } => {
                Some(Route { to: Endpoint::Ip(endpoint), from: source, lane, profile: **profile })
            }
            &Destination::Local { ref path, lane, ref profile } => {
                Some(Route { to: Endpoint::Unix(path.clone()), from: None, lane, profile: **profile })
            }
            Destination::Unroutable { .. } | Destination::Unresolved => None,
        }
    }

    /// The profile of the lane its probes leave by.
    fn profile(&self) -> Option<&Profile> {
        match &self.destination {
            Destination::Reachable { profile, .. } | Destination::Local { profile, .. } => Some(profile),
            Destination::Unroutable { .. } | Destination::Unresolved => None,
        }
    }

    fn can_be_probed(&self) -> bool {
        self.profile().is_some()
    }

    /// Our port in a probe, as far as it is known.
    fn source_port(&self, id: ProbeId) -> Option<u16> {
        match self.profile() {
            Some(profile) if self.subject.method.has_closed_ports() => Some(profile.ident.ident.get()),
            _ => self.connections.source_port(id),
        }
    }

    /// Whether several hosts may answer one probe.
    pub(super) fn is_group(&self) -> bool {
        self.group
    }

    /// Whether this responder is not the one that was asked. The kernel takes the unspecified address as this host.
    fn is_elsewhere(&self, responder: Option<IpAddr>) -> bool {
        let asked = self.subject.address;
        asked != responder && !asked.is_some_and(|asked| asked.is_unspecified()) && !self.group
    }

    /// Whether all its connections have one port, so that there is only one at a time.
    fn has_one_port(&self) -> bool {
        self.connects() && self.profile().is_some_and(|profile| profile.ident.ident.get() > 0)
    }

    /// Whether each probe is a connection.
    pub(super) fn connects(&self) -> bool {
        self.method.connect().is_some()
    }

    /// Whether its probes carry the error of the wall clock, if that is known.
    pub(super) fn carries_clock_error(&mut self) -> bool {
        self.method.session().is_some()
    }

    /// Sets the error of the wall clock.
    pub(super) fn set_clock_error(&mut self, error: Option<ClockError>) {
        if let Some(session) = self.method.session() {
            session.clock_error = error;
        }
    }

    fn token(&self, id: ProbeId) -> Token {
        token(self.id, id)
    }

    pub(super) fn unconfirmed(&self) -> u64 {
        self.unconfirmed
    }

    /// The event of its beginning.
    pub(super) fn began(&self, at: WallTime) -> Event {
        Event::Began { subject: Arc::clone(&self.subject), at }
    }

    /// Its first probe is due at `start`.
    pub(super) fn begin(&mut self, start: Instant) {
        self.start = start;
        self.pacer = match self.spec.pace {
            Pace::Fixed(interval) => Pacer::Slots(Slots::new(start, interval)),
            Pace::Adaptive { at_least } => Pacer::Window(Window::new(at_least)),
            Pace::Flood | Pace::Unpaced => Pacer::Window(Window::new(Duration::ZERO)),
            Pace::Called => Pacer::Called(0),
        };
    }

    /// The newest probe, once there is one.
    pub(super) fn newest(&self) -> Option<ProbeId> {
        self.probes.newest()
    }

    /// The probe with this 16-bit sequence; one that never left is not found.
    pub(super) fn named(&self, sequence: Sequence) -> Named {
        match self.probes.with_sequence(sequence) {
            Named::Probe(id) if !self.probes.get(id).is_some_and(Probe::has_left) => Named::Nothing,
            named => named,
        }
    }

    /// Whether this probe is waited for.
    pub(super) fn is_open(&self, id: ProbeId) -> bool {
        self.probes.get(id).is_some_and(|probe| probe.state.is_open())
    }

    /// How many probes are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.probes.from(ProbeId::FIRST).count()
    }

    /// An event about a probe that was sent at `sent`.
    fn event(&self, id: ProbeId, sent: WallTime, at: WallTime, outcome: Outcome) -> ProbeEvent {
        let source_port = self.source_port(id);
        ProbeEvent { sent, source_port, ..ProbeEvent::new(&self.subject, id, at, outcome) }
    }
}
