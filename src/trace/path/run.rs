//! One trace from its first probe to its end: takes answers, says when hops are final, and why it is over.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::channel::{OsError, Protocol, SendStamps};
use crate::engine::outcome::{NotSent, Outcome, ProbeEvent};
use crate::engine::send_errors::SendErrors;
use crate::trace::config::Config;
use crate::trace::ends::{Began, StopReason};
use crate::trace::event::{Event, Interim};
use crate::trace::finding;
use crate::trace::fleet::names::{Names, PATIENCE};
use crate::trace::fleet::probes::Entry;
use crate::trace::fleet::route::Route;
use crate::trace::hop::Hop;
use crate::trace::path::hop::{Arrival, HopState, Meaning};
use crate::trace::path::schedule::{Next, Rhythm};
use crate::trace::path::wait::{BEYOND_AT_MOST, DEAD_NEIGHBOUR};
use crate::trace::path::{Path, rounds};
use crate::trace::result::Trace;
use crate::types::{Instant, Mtu, Now, ProbeId, Stamp, Ttl};

/// Probes refused in a row that end a trace of which some left, and one of which none left.
const REFUSED_IN_A_ROW: u32 = 10;
const REFUSED_FROM_THE_START: u32 = 3;

/// A little more than Linux hosts let pass between two errors to one peer.
pub(in crate::trace) const LIMIT_PAUSE: Duration = Duration::from_millis(1050);

/// Routers whose answers quote too little that are remembered.
const MAX_UNMATCHED: usize = 64;

/// Room for the hops of most paths.
const USUAL_HOPS: usize = 16;

/// The least time between probes that are sent one by one.
const SLOW_AT_LEAST: Duration = Duration::from_millis(100);

/// Whose an answer is that names no probe.
#[derive(Debug)]
pub(in crate::trace) enum Attribution {
    /// This probe's.
    Probe(ProbeId),
    /// One of these: they are forgotten and sent anew.
    Ambiguous(Vec<ProbeId>),
    /// It remains open.
    Unknown,
}

/// One trace.
#[derive(Debug)]
pub(in crate::trace) struct TraceRun {
    began: Began,
    pub route: Route,
    started: Instant,
    path: Path,
    rhythm: Rhythm,
    /// How many hops are final.
    final_hops: usize,
    /// How many of those have reported their probes.
    reported_hops: usize,
    /// Final hops that wait for names, each since when.
    waiting: VecDeque<(Hop, Instant)>,
    /// The hops that were reported.
    reported: Vec<Arc<Hop>>,
    outcome: Option<(StopReason, Instant)>,
    /// Who answered without saying what, and how often.
    unmatched: Vec<(IpAddr, u32)>,
    /// How many probes left or were refused.
    probes: u32,
    refused: u32,
    answered: u32,
    /// Whether results of answered probes are not reported yet.
    unreported: bool,
    refused_in_a_row: u32,
    some_left: bool,
    send_errors: SendErrors,
    /// No more probes, but what is in flight is waited for.
    closing: bool,
    /// Names are not waited for.
    hurried: bool,
    /// Whether [`Event::Waiting`] was emitted.
    waits: bool,
}

impl TraceRun {
    /// A trace that begins, in the memory of the path of one that is over.
    pub fn new(
        config: &Config,
        (began, route): (Began, Route),
        ahead: usize,
        now: Instant,
        over: Option<Path>,
    ) -> Self {
        TraceRun {
            began,
            route,
            started: now,
            path: Path::new(config, over),
            rhythm: Rhythm::new(ahead, now),
            final_hops: 0,
            reported_hops: 0,
            waiting: VecDeque::new(),
            reported: Vec::with_capacity(USUAL_HOPS),
            outcome: None,
            unmatched: Vec::new(),
            probes: 0,
            refused: 0,
            answered: 0,
            unreported: false,
            refused_in_a_row: 0,
            some_left: false,
            send_errors: SendErrors::default(),
            closing: false,
            hurried: false,
            waits: false,
        }
    }

    /// Its path, when it is over.
    pub fn into_path(self) -> Path {
        self.path
    }

    /// Whether the destination answered.
    pub fn reached(&self) -> bool {
        self.path.end().is_some_and(|end| end.reason == StopReason::Destination)
    }

    /// When it began.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The probe to send next.
    pub fn next(&self, config: &Config, now: Instant) -> Next {
        if self.outcome.is_some() || self.closing {
            return Next::Nothing;
        }
        self.rhythm.next(config, &self.path, &self.route.profile, now)
    }

    /// How many probes were ordered so far.
    pub fn probes(&self) -> u32 {
        self.probes
    }

    /// `probe` is ordered for this slot.
    pub fn ordered(&mut self, config: &Config, ttl: u8, index: usize, probe: ProbeId, stamp: Stamp) {
        if let Some(slot) = self.path.slot(ttl, index) {
            (slot.sent, slot.ttl) = (Some((probe, stamp)), ttl);
        }
        self.probes = self.probes.saturating_add(1);
        self.rhythm.sent(config, &self.route.profile, stamp.user.mono);
    }

    /// `probe` left. True if its answer is there already, whose RTT was waiting for this.
    pub fn sent(&mut self, ttl: u8, index: usize, probe: ProbeId, stamp: Stamp) -> bool {
        self.some_left = true;
        self.refused_in_a_row = 0;
        self.path.sent(ttl, index, probe, stamp)
    }

    /// The kernel refused `probe` of this slot; it is tried again unless too many were refused.
    pub fn refused(
        &mut self,
        probe: ProbeId,
        (ttl, index): (u8, usize),
        (error, mtu): (OsError, Option<Mtu>),
        now: Now,
        out: &mut VecDeque<Event>,
    ) {
        if let Some(slot) = self.path.slot(ttl, index) {
            slot.sent = None;
        }
        self.rhythm.refused(now.mono);
        self.refused = self.refused.saturating_add(1);
        if self.outcome.is_none() {
            let reported = self.send_errors.report(error, mtu, now.mono);
            let outcome = Outcome::NotSent(NotSent { error, mtu, reported });
            out.push_back(Event::Probe(Arc::new(ProbeEvent {
                ttl: Some(Ttl::new(ttl)),
                flow: self.began.subject.flow,
                ..ProbeEvent::new(&self.began.subject, probe, now.wall, outcome)
            })));
        }
        self.refused_in_a_row += 1;
        let limit = if self.some_left { REFUSED_IN_A_ROW } else { REFUSED_FROM_THE_START };
        if self.refused_in_a_row >= limit {
            self.cut(StopReason::SendFailed, now.mono);
        }
    }

    /// Takes an answer to `probe`, unless it was forgotten. True if it counts.
    pub fn answer(&mut self, config: &Config, (probe, entry): (ProbeId, &Entry), arrival: Box<Arrival>) -> bool {
        let (ttl, index) = (entry.ttl, entry.slot);
        if self.path.slot(ttl, index).and_then(|slot| slot.sent).is_none_or(|(newest, _)| newest != probe) {
            return false;
        }
        let is_final = self.path.hops().get(self.final_hops).is_none_or(|next| ttl < next.ttl);
        let meaning = arrival.meaning(self.route.target.address);
        let Some(meaning) = meaning.filter(|_| !is_final && self.outcome.is_none()) else {
            return false;
        };
        let answered = self.path.answered_hops();
        let at = arrival.stamp.user.mono;
        let end = match meaning {
            Meaning::OnTheWay => None,
            Meaning::End(reason) => Some(reason),
        };
        if let Some(slot) = self.path.slot(ttl, index) {
            slot.source_port = entry.sent.source_port;
        }
        let counts = self.path.answer(config, ttl, index, arrival, end);
        if self.path.answered_hops() > answered {
            self.rhythm.progress_at = self.rhythm.progress_at.max(at);
        }
        self.answered = self.answered.saturating_add(u32::from(counts));
        self.unreported |= counts;
        counts
    }

    /// The probe that an answer of the destination is for that names none: the only one that may have arrived there without being
    /// answered yet. Where there are several, the datagrams of a service identify a probe only when they are sent one by one.
    pub fn attribute_unnamed(&mut self, now: Instant) -> Attribution {
        let mut arrived: Vec<(ProbeId, Instant)> = self.path.arrived().collect();
        if self.rhythm.is_slow() {
            // The others had their time.
            arrived = arrived.into_iter().max_by_key(|&(_, sent)| sent).into_iter().collect();
        }
        if self.route.profile.protocol == Protocol::Tcp && self.path.end().is_some() {
            // Only one SYN is under way to the target then.
            arrived = self.path.hops().last().map(|hop| hop.open().collect()).unwrap_or_default();
        }
        let (&[(probe, sent), ref others @ ..], None) = (arrived.as_slice(), self.outcome) else {
            return Attribution::Unknown;
        };
        if others.is_empty() {
            return Attribution::Probe(probe);
        }
        if self.route.profile.protocol != Protocol::Udp {
            return Attribution::Unknown;
        }
        let first = others.iter().map(|&(_, sent)| sent).min().map_or(sent, |other| other.min(sent));
        self.rhythm.slow_down(now.since(first).saturating_mul(2).clamp(SLOW_AT_LEAST, BEYOND_AT_MOST), now);
        self.path.forget_arrived();
        Attribution::Ambiguous(arrived.into_iter().map(|(probe, _)| probe).collect())
    }

    /// Whether a hop of it is held back for names.
    pub fn awaits_names(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How far it has come.
    pub fn interim(&self) -> Interim {
        let last_answered = self.path.hops().iter().take(self.path.answered_hops()).next_back();
        Interim {
            subject: Arc::clone(&self.began.subject),
            sent: self.probes.saturating_sub(self.refused),
            answered: self.answered,
            highest_ttl: last_answered.map(|hop| Ttl::new(hop.ttl)),
            final_hops: self.final_hops,
        }
    }

    /// A router reported one of our packets, or so it seems, but not which.
    pub fn unmatched(&mut self, responder: IpAddr) {
        if let Some((_, count)) = self.unmatched.iter_mut().find(|(known, _)| *known == responder) {
            *count = count.saturating_add(1);
        } else if self.unmatched.len() < MAX_UNMATCHED {
            self.unmatched.push((responder, 1));
        }
    }

    /// No more probes; the trace is over once those in flight are decided.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// Ends the trace now, with what is known up to the last hop that answered.
    pub fn cut(&mut self, reason: StopReason, now: Instant) {
        self.hurried = true;
        if self.outcome.is_some() {
            return;
        }
        let known = self.path.answered_hops();
        let begun = self.path.hops().iter().take(known).take_while(|hop| hop.last_sent_at().is_some()).count();
        while self.final_hops < begun {
            self.finish_hop(now);
        }
        self.outcome = Some((reason, now));
    }

    /// Finishes what `now` decides and reports it. True once the trace is over and reported.
    pub fn advance(&mut self, config: &Config, names: &mut Names, now: Instant, out: &mut VecDeque<Event>) -> bool {
        if self.outcome.is_none() {
            if rounds::apply(&self.route.profile) && !self.closing {
                self.path.forget_undone(now);
            }
            if !self.closing && self.path.ask_again_at(config).is_some_and(|at| at <= now) {
                self.path.ask_again(self.limit_pause());
            }
            let settled = self.is_settled(config, now);
            while self.next_is_final(config, settled, now) {
                self.finish_hop(now);
            }
            self.outcome = self.stop_reason(config, settled).map(|reason| (reason, now));
            if !self.waits && self.outcome.is_none() && self.path.waits_for_routers(config) {
                self.waits = true;
                out.push_back(Event::Waiting(Arc::clone(&self.began.subject)));
            }
        }
        self.emit_probes(now, out);
        self.emit_hops(names, now, out);
        let Some((stop_reason, ended)) = self.outcome.filter(|_| self.waiting.is_empty()) else { return false };
        let hops = std::mem::take(&mut self.reported);
        out.push_back(Event::Ended(Arc::new(Trace {
            began: self.began.clone(),
            reached: stop_reason == StopReason::Destination,
            stop_reason,
            findings: finding::findings(self.route.target.address, stop_reason, &hops, &self.unmatched),
            hops,
            path_mtu: None,
            path_mtu_at_least: None,
            conditions: Vec::new(),
            duration: u64::try_from(ended.since(self.started).as_nanos()).unwrap_or(u64::MAX),
        })));
        true
    }

    /// When `advance` has something to do at the latest, if nothing happens before.
    pub fn wake(&self, config: &Config, now: Instant) -> Option<Instant> {
        let names = self.waiting.front().map(|&(_, since)| since + PATIENCE);
        if self.outcome.is_some() {
            return names;
        }
        // What was in flight to a final hop is given up.
        let given_up = self.path.open_from(self.final_hops, config).map(|(_, at)| at).filter(|&at| at > now).min();
        let rest = self.path.hops().get(self.final_hops..).unwrap_or_default();
        let begun = rest.iter().take_while(|hop| hop.is_begun());
        let stamps = begun.filter_map(|hop| hop.stamps_until(self.route.profile.send_stamps)).max();
        let held = rest.first().and_then(HopState::last_sent_at).map(|at| at + DEAD_NEIGHBOUR);
        let (held, stamps) = (held.filter(|&at| at > now), stamps.filter(|&at| at > now));
        let again = self.path.ask_again_at(config).filter(|&at| at > now && !self.closing);
        let undone = rounds::apply(&self.route.profile).then(|| self.path.undone_at()).flatten().filter(|&at| at > now);
        earliest([names, again, undone, given_up, held, stamps])
    }

    /// The probes in flight that are given up by `now`.
    pub fn given_up(&self, config: &Config, now: Instant) -> impl Iterator<Item = ProbeId> {
        self.path.open_from(0, config).filter(move |&(_, at)| at <= now).map(|(probe, _)| probe)
    }

    /// The hops that are or were to be probed.
    fn hops_to_probe(&self, config: &Config) -> &[HopState] {
        let hops = self.path.hops_within(config.gap_limit);
        if !self.closing {
            return hops;
        }
        let begun = hops.iter().take_while(|hop| hop.last_sent_at().is_some()).count();
        hops.get(..begun).unwrap_or(hops)
    }

    fn is_decided(&self, config: &Config, hop: &HopState, now: Instant) -> bool {
        // What is still to be sent needs no look at how long answers take.
        if !self.closing && hop.first_unsent().is_some() {
            return false;
        }
        if self.path.end().is_some_and(|end| end.ttl == hop.ttl) && self.path.is_end_open(config, now) {
            return false;
        }
        let stamped = hop.stamps_until(self.route.profile.send_stamps).is_none_or(|until| until <= now);
        // Nor does what is answered.
        let is_quiet = || !hop.is_open() || hop.is_quiet(self.path.wait(config, hop), now);
        stamped && is_quiet() && (self.closing || !self.path.is_doubtful(hop))
    }

    /// How long after an answer the destination can be relied on to give another: Linux sends «port unreachable» once a second
    /// (`icmp_ratelimit`, icmp(7)); what answers ICMP and TCP probes is not limited.
    pub fn limit_pause(&self) -> Duration {
        if self.route.profile.protocol == Protocol::Udp { LIMIT_PAUSE } else { Duration::ZERO }
    }

    /// Whether every hop is decided, so that nothing can change any more.
    fn is_settled(&self, config: &Config, now: Instant) -> bool {
        let mut rest = self.hops_to_probe(config).iter().skip(self.final_hops);
        // What is still to be sent needs no look at the others.
        let sent = self.closing || rest.clone().all(|hop| hop.first_unsent().is_none());
        sent && rest.all(|hop| self.is_decided(config, hop, now))
    }

    fn next_is_final(&self, config: &Config, settled: bool, now: Instant) -> bool {
        let Some(hop) = self.hops_to_probe(config).get(self.final_hops) else { return false };
        if settled {
            return true;
        }
        let may_yet_answer = config.wait.is_none()
            && hop.is_silent()
            && self.path.is_beyond_answers(hop.ttl)
            && hop.last_sent_at().is_none_or(|sent| now < sent + DEAD_NEIGHBOUR);
        !may_yet_answer && self.is_decided(config, hop, now)
    }

    fn finish_hop(&mut self, now: Instant) {
        if let Some(hop) = self.path.finish(self.final_hops) {
            self.waiting.push_back((hop.result(&self.began.subject), now));
        }
        self.final_hops += 1;
    }

    /// Reports answered probes, and the silent ones of hops that have become final.
    fn emit_probes(&mut self, now: Instant, out: &mut VecDeque<Event>) {
        let awaited = if self.outcome.is_some() { SendStamps::None } else { self.route.profile.send_stamps };
        let stamps = (awaited, now);
        let subject = &self.began.subject;
        if std::mem::take(&mut self.unreported) {
            for slot in self.path.slots_from(self.reported_hops) {
                if let Some(event) = slot.report(subject, stamps, false) {
                    out.push_back(Event::Probe(event));
                }
                self.unreported |= slot.is_unreported();
            }
        }
        for at in self.reported_hops..self.final_hops {
            let Some(hop) = self.path.hop_mut(at) else { continue };
            for slot in &mut hop.slots {
                if let Some(event) = slot.report(subject, stamps, true) {
                    out.push_back(Event::Probe(event));
                }
            }
        }
        self.reported_hops = self.final_hops;
    }

    fn stop_reason(&self, config: &Config, settled: bool) -> Option<StopReason> {
        if !settled {
            return None;
        }
        let probed = self.hops_to_probe(config).len();
        match self.path.end() {
            Some(end) if probed == self.path.hops().len() => Some(end.reason),
            _ if self.closing => Some(StopReason::Interrupted),
            _ => {
                let silent = probed - self.path.answered_hops().min(probed);
                let gap = config.gap_limit.is_some_and(|limit| silent >= limit.max(1) as usize);
                Some(if gap { StopReason::GapLimit } else { StopReason::MaxTtl })
            }
        }
    }

    /// Reports final hops in order, each once its names are known or not waited for any more.
    fn emit_hops(&mut self, names: &mut Names, now: Instant, out: &mut VecDeque<Event>) {
        while let Some((hop, since)) = self.waiting.front() {
            let awaited = |address| !self.hurried && names.is_awaited(address);
            if hop.responses().any(|response| awaited(response.responder)) {
                if now < *since + PATIENCE {
                    return;
                }
                names.missed();
            }
            let Some((mut hop, _)) = self.waiting.pop_front() else { return };
            hop.responders = names.responders(&hop);
            let hop = Arc::new(hop);
            self.reported.push(Arc::clone(&hop));
            out.push_back(Event::Hop(Arc::clone(&self.began.subject), hop));
        }
    }
}

/// The first of these times, of those that there are.
fn earliest<const N: usize>(times: [Option<Instant>; N]) -> Option<Instant> {
    let mut earliest = None;
    for time in times {
        if time.is_some() && (earliest.is_none() || time < earliest) {
            earliest = time;
        }
    }
    earliest
}
