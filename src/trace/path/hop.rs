//! One TTL of a trace while it is being probed: [`HopState`], its [`Slot`]s, and an answer as it came in, an [`Arrival`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::channel::SendStamps;
use crate::engine::delay;
use crate::engine::outcome::{Delay, Outcome, ProbeEvent, Silence, Standing, Subject};
use crate::trace::ends::StopReason;
use crate::trace::hop::{Hop, HopProbe};
use crate::types::{Instant, ProbeId, Rtt, Stamp, Tos, Ttl};
use crate::wire::icmp::ErrorKind;

/// An answer as it arrived.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::trace) struct Arrival {
    pub responder: IpAddr,
    pub stamp: Stamp,
    pub reply_ttl: Option<Ttl>,
    pub reply_tos: Option<Tos>,
    /// The meaning of an ICMP error; `None` for a reply.
    pub kind: Option<ErrorKind>,
    /// TTL or Hop Limit of the probe as it is quoted.
    pub quoted_ttl: Option<Ttl>,
    /// Until it is part of a result.
    pub outcome: Outcome,
}

/// What an answer says about the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trace) enum Meaning {
    OnTheWay,
    End(StopReason),
}

impl Arrival {
    pub fn new(responder: IpAddr, stamp: Stamp, outcome: Outcome) -> Self {
        let error = if let Outcome::Error(error) = &outcome { Some(error) } else { None };
        let (kind, quoted_ttl) = (error.map(|error| error.kind), error.and_then(|error| error.quote.ttl));
        Arrival { responder, stamp, reply_ttl: None, reply_tos: None, kind, quoted_ttl, outcome }
    }

    /// What it says about the path to `target`; `None` if it answers no probe.
    pub fn meaning(&self, target: IpAddr) -> Option<Meaning> {
        let from_target = self.responder == target;
        Some(match self.kind {
            None => Meaning::End(StopReason::Destination),
            Some(ErrorKind::TimeExceeded) => Meaning::OnTheWay,
            Some(ErrorKind::PortUnreachable | ErrorKind::ProtocolUnreachable | ErrorKind::Prohibited)
                if from_target =>
            {
                Meaning::End(StopReason::Destination)
            }
            Some(ErrorKind::PortUnreachable) => Meaning::End(StopReason::PortUnreachableElsewhere),
            Some(ErrorKind::ReassemblyTimeExceeded | ErrorKind::Unknown) => return None,
            Some(kind) if kind.is_advice() => return None,
            Some(_) => Meaning::End(StopReason::Unreachable),
        })
    }
}

/// A place for one probe. A probe that the kernel refuses leaves its slot empty again.
#[derive(Debug, Default)]
pub(in crate::trace) struct Slot {
    /// The probe that left, and when: as ordered first, then as the channel reports.
    pub sent: Option<(ProbeId, Stamp)>,
    /// The TTL it left with. Of a final hop it may be higher: see [`HopState::take`].
    pub ttl: u8,
    /// Our port, where the method has ports and it is known.
    pub source_port: Option<u16>,
    pub arrival: Option<Arrival>,
    /// Why `arrival` ends the path, if it does.
    pub ends: Option<StopReason>,
    /// Whether `arrival` came within its wait.
    pub standing: Standing,
    /// Of a slot added because its hop was silent: when its probe may leave.
    pub again: Option<Instant>,
    /// The result, once something asked for it.
    pub event: Option<Arc<ProbeEvent>>,
    pub reported: bool,
}

impl Slot {
    /// When the probe left.
    pub fn sent_at(&self) -> Option<Instant> {
        self.sent.map(|(_, stamp)| stamp.user.mono)
    }

    /// When the probe left, if it has no answer yet.
    pub fn open_since(&self) -> Option<Instant> {
        self.sent_at().filter(|_| self.arrival.is_none())
    }

    pub fn rtt(&self) -> Option<Rtt> {
        self.delay().map(|delay| delay.rtt)
    }

    fn delay(&self) -> Option<Delay> {
        let ((_, sent), arrival) = self.sent.zip(self.arrival.as_ref())?;
        let (rtt, stamp) = delay::between(&sent, &arrival.stamp);
        let user = Rtt::between(sent.user.mono, arrival.stamp.user.mono);
        Some(Delay { rtt, stamp, user, local_queue: None })
    }

    /// Until when a send stamp of this answered probe is waited for; `None` if it is known or will not come.
    pub fn stamp_until(&self, wanted: SendStamps) -> Option<Instant> {
        let ((_, sent), arrival) = self.sent.zip(self.arrival.as_ref())?;
        let incomplete = delay::is_incomplete(wanted, &sent, &arrival.stamp);
        incomplete.then(|| arrival.stamp.user.mono + delay::TICK)
    }

    /// Its probe left, or is about to. Delay and result follow the newest stamp.
    pub fn set_sent(&mut self, probe: ProbeId, stamp: Stamp) {
        self.sent = Some((probe, stamp));
        if self.event.is_none() {
            return;
        }
        let (sent, delay) = (stamp.user.wall, self.delay());
        if let Some(event) = &mut self.event {
            let event = Arc::make_mut(event);
            (event.sent, event.delay) = (sent, delay);
        }
    }

    /// The result of the probe in this slot, if one was sent: its answer, or that it was silent until now.
    pub fn result(&mut self, subject: &Arc<Subject>) -> Option<&Arc<ProbeEvent>> {
        let (id, sent) = self.sent?;
        if self.event.is_none() {
            let silent = Outcome::Timeout(Silence::NoAnswer);
            let mut event = ProbeEvent::new(subject, id, sent.user.wall, silent);
            (event.ttl, event.flow, event.source_port) = (Some(Ttl::new(self.ttl)), subject.flow, self.source_port);
            event.delay = self.delay();
            event.standing = self.standing;
            if let Some(arrival) = self.arrival.as_mut() {
                event.at = arrival.stamp.kernel.unwrap_or(arrival.stamp.user.wall);
                event.responder = Some(arrival.responder);
                (event.reply_ttl, event.reply_tos) = (arrival.reply_ttl, arrival.reply_tos);
                std::mem::swap(&mut event.outcome, &mut arrival.outcome);
            }
            self.event = Some(Arc::new(event));
        }
        self.event.as_ref()
    }

    /// Whether it has an answer whose result is not reported yet.
    pub fn is_unreported(&self) -> bool {
        self.arrival.is_some() && !self.reported
    }

    /// The result to report: of an answered probe once its stamps are known or not waited for any more, of a silent one when it
    /// is `over`; each once.
    pub fn report(
        &mut self,
        subject: &Arc<Subject>,
        (stamps, now): (SendStamps, Instant),
        over: bool,
    ) -> Option<Arc<ProbeEvent>> {
        let ready = self.arrival.is_some() && self.stamp_until(stamps).is_none_or(|at| at <= now);
        if self.reported || !(ready || over) {
            return None;
        }
        let event = self.result(subject).cloned();
        self.reported = event.is_some();
        event
    }
}

/// How long the probes of a hop are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trace) struct Waiting {
    /// From when each was sent.
    pub span: Duration,
    /// None is given up before then.
    pub until: Instant,
}

impl Waiting {
    /// Each this long.
    pub fn of(span: Duration) -> Self {
        Waiting { span, until: Instant::ZERO }
    }

    /// When a probe sent at `sent` is given up.
    pub fn ends(&self, sent: Instant) -> Instant {
        self.until.max(sent + self.span)
    }
}

/// All of one TTL.
#[derive(Debug)]
pub(in crate::trace) struct HopState {
    pub ttl: u8,
    /// How many probes it is to have.
    wanted: u16,
    /// How many of those it need not have because others ran past it that say the same.
    pub lent: u16,
    /// Of the probes that were ordered so far: most hops of a run never have one.
    pub slots: Vec<Slot>,
}

impl HopState {
    pub fn new(ttl: u8, probes: usize) -> Self {
        HopState { ttl, wanted: u16::try_from(probes).unwrap_or(u16::MAX), lent: 0, slots: Vec::new() }
    }

    /// Forgets its probes, and keeps the memory.
    pub fn clear(&mut self) {
        self.slots.clear();
        self.lent = 0;
    }

    /// Slot `index`, if there is to be one.
    pub fn slot(&mut self, index: usize) -> Option<&mut Slot> {
        let wanted = usize::from(self.wanted);
        if index < wanted && self.slots.len() <= index {
            self.slots.reserve_exact(wanted - self.slots.len());
            self.slots.resize_with(index + 1, Slot::default);
        }
        self.slots.get_mut(index)
    }

    /// The index of the first slot whose probe has not left.
    pub fn first_unsent(&self) -> Option<usize> {
        let sent = self.slots.iter().filter(|slot| slot.sent.is_some()).count();
        let first = || self.slots.iter().position(|slot| slot.sent.is_none()).unwrap_or(self.slots.len());
        (sent + usize::from(self.lent) < usize::from(self.wanted).max(self.slots.len())).then(first)
    }

    /// Takes the answer to a probe that ran past it, if it has room.
    pub fn take(&mut self, lent: &mut Slot) {
        if self.slots.iter().filter(|slot| slot.arrival.is_some()).count() >= usize::from(self.wanted) {
            return;
        }
        if let Some(unsent) = self.slots.iter_mut().find(|slot| slot.sent.is_none()) {
            *unsent = std::mem::take(lent);
        } else if self.slots.len() < usize::from(self.wanted) || self.is_silent() {
            self.slots.push(std::mem::take(lent));
        }
    }

    /// Whether a probe was sent, also one that is forgotten.
    pub fn is_begun(&self) -> bool {
        !self.slots.is_empty()
    }

    pub fn is_silent(&self) -> bool {
        self.slots.iter().all(|slot| slot.arrival.is_none())
    }

    /// Whether a probe that left has no answer.
    pub fn is_open(&self) -> bool {
        self.slots.iter().any(|slot| slot.sent.is_some() && slot.arrival.is_none())
    }

    /// Its probes that are not answered, each with when it left.
    pub fn open(&self) -> impl Iterator<Item = (ProbeId, Instant)> {
        let open = self.slots.iter().filter(|slot| slot.arrival.is_none());
        open.filter_map(|slot| slot.sent).map(|(probe, sent)| (probe, sent.user.mono))
    }

    /// The one router that has sent «time exceeded» so far.
    pub fn router(&self) -> Option<IpAddr> {
        let mut arrivals = self.slots.iter().filter_map(|slot| slot.arrival.as_ref());
        let first = arrivals.next().filter(|first| first.kind == Some(ErrorKind::TimeExceeded))?;
        let same = |other: &Arrival| (other.responder, other.kind) == (first.responder, first.kind);
        arrivals.all(same).then_some(first.responder)
    }

    /// Whether it was asked once more than `-q` says.
    pub fn is_asked_again(&self) -> bool {
        self.slots.iter().any(|slot| slot.again.is_some())
    }

    /// The slowest RTT of this hop.
    pub fn slowest(&self) -> Option<Duration> {
        self.slots.iter().filter_map(Slot::rtt).max().map(Rtt::as_duration)
    }

    /// The fastest and the slowest RTT of this hop.
    pub fn delays(&self) -> Option<(Duration, Duration)> {
        let mut rtts = self.slots.iter().filter_map(Slot::rtt).map(Rtt::as_duration);
        let first = rtts.next()?;
        Some(rtts.fold((first, first), |(fastest, slowest), rtt| (fastest.min(rtt), slowest.max(rtt))))
    }

    /// The RTT of the first probe that was answered.
    pub fn first_rtt(&self) -> Option<Duration> {
        self.slots.iter().find_map(Slot::rtt).map(Rtt::as_duration)
    }

    /// When the newest probe left.
    pub fn last_sent_at(&self) -> Option<Instant> {
        self.slots.iter().filter_map(Slot::sent_at).max()
    }

    /// Whether no probe is waited for any more.
    pub fn is_quiet(&self, wait: Waiting, now: Instant) -> bool {
        self.slots.iter().filter_map(Slot::open_since).all(|sent| wait.ends(sent) <= now)
    }

    /// Until when a send stamp of an answered probe, on a lane with these, is waited for; `None` if all are known.
    pub fn stamps_until(&self, wanted: SendStamps) -> Option<Instant> {
        if !wanted.are_kernels() {
            return None;
        }
        self.slots.iter().filter_map(|slot| slot.stamp_until(wanted)).max()
    }

    /// The results of the probes that were sent; those still waited for are silent so far.
    pub fn result(&mut self, subject: &Arc<Subject>) -> Hop {
        let mut probes = Vec::with_capacity(self.slots.len());
        for (number, slot) in (1..).zip(&mut self.slots) {
            let again = slot.again.is_some();
            if let Some(event) = slot.result(subject) {
                probes.push(HopProbe { number, again, event: Arc::clone(event) });
            }
        }
        Hop { ttl: Ttl::new(self.ttl), probes, responders: Vec::new(), mtu: None }
    }
}
