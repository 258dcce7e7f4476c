//! One TTL of a trace while it is being probed: [`HopState`], its [`Slot`]s, and what an answer says, an [`Arrival`].

use std::net::IpAddr;
use std::time::Duration;

use crate::channel::SendStamps;
use crate::engine::delay;
use crate::trace::event::{Answer, Hop, ProbeResult, Rewritten};
use crate::types::{Instant, Mtu, ProbeId, Rtt, Stamp, StampSource, Tos, Ttl};
use crate::wire::extension::Object;
use crate::wire::icmp::ErrorKind;

/// An answer as it arrived; the fields are those of [`Answer`].
#[derive(Clone, Debug, PartialEq)]
pub(in crate::trace) struct Arrival {
    pub responder: IpAddr,
    pub stamp: Stamp,
    pub reply_ttl: Option<Ttl>,
    pub quoted_ttl: Option<Ttl>,
    pub quoted_tos: Option<Tos>,
    pub rewritten: Vec<Rewritten>,
    pub icmp_type: Option<u8>,
    pub icmp_code: Option<u8>,
    pub kind: Option<ErrorKind>,
    pub mtu: Option<Mtu>,
    pub extensions: Vec<Object>,
}

/// A place for one probe. A probe that the kernel refuses leaves its slot empty again.
#[derive(Debug, Default)]
pub(in crate::trace) struct Slot {
    /// The probe that left, and when: as ordered first, then as the channel says.
    pub sent: Option<(ProbeId, Stamp)>,
    pub arrival: Option<Box<Arrival>>,
    /// Whether `arrival` came behind its wait.
    pub late: bool,
    /// Of a slot added because its hop was silent: when its probe may leave.
    pub again: Option<Instant>,
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
        self.delay().map(|(rtt, _)| rtt)
    }

    fn delay(&self) -> Option<(Rtt, StampSource)> {
        let (_, sent) = self.sent?;
        self.arrival.as_ref().map(|arrival| delay::between(&sent, &arrival.stamp))
    }

    /// Until when a send stamp of this answered probe is waited for; `None` if it is known or will not come.
    pub fn stamp_until(&self, wish: SendStamps) -> Option<Instant> {
        let ((_, sent), arrival) = self.sent.zip(self.arrival.as_deref())?;
        let incomplete = delay::is_incomplete(wish, &sent, &arrival.stamp);
        incomplete.then(|| arrival.stamp.user.mono + delay::TICK)
    }

    /// The answer, without a name.
    pub fn answer(&self) -> Option<Answer> {
        let arrival = self.arrival.as_deref()?;
        let (rtt, stamp) = self.delay()?;
        Some(Answer {
            responder: arrival.responder,
            name: None,
            origins: None,
            rtt,
            stamp,
            reply_ttl: arrival.reply_ttl,
            quoted_ttl: arrival.quoted_ttl,
            quoted_tos: arrival.quoted_tos,
            rewritten: arrival.rewritten.clone(),
            icmp_type: arrival.icmp_type,
            icmp_code: arrival.icmp_code,
            kind: arrival.kind,
            mtu: arrival.mtu,
            late: self.late,
            extensions: arrival.extensions.clone(),
        })
    }
}

/// All of one TTL.
#[derive(Debug)]
pub(in crate::trace) struct HopState {
    pub ttl: u8,
    pub slots: Vec<Slot>,
}

impl HopState {
    pub fn new(ttl: u8, probes: usize) -> Self {
        HopState { ttl, slots: (0..probes).map(|_| Slot::default()).collect() }
    }

    pub fn is_silent(&self) -> bool {
        self.slots.iter().all(|slot| slot.arrival.is_none())
    }

    /// Whether a probe that left has no answer.
    pub fn is_open(&self) -> bool {
        self.slots.iter().any(|slot| slot.sent.is_some() && slot.arrival.is_none())
    }

    /// The one router that has said «time exceeded» so far.
    pub fn router(&self) -> Option<IpAddr> {
        let mut arrivals = self.slots.iter().filter_map(|slot| slot.arrival.as_deref());
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

    /// The RTT of the first probe that was answered.
    pub fn first_rtt(&self) -> Option<Duration> {
        self.slots.iter().find_map(Slot::rtt).map(Rtt::as_duration)
    }

    /// When the newest probe left.
    pub fn last_sent_at(&self) -> Option<Instant> {
        self.slots.iter().filter_map(Slot::sent_at).max()
    }

    /// Whether every probe was sent, and answered or given up after `wait`.
    pub fn is_decided(&self, wait: Duration, now: Instant) -> bool {
        self.slots.iter().all(|slot| slot.sent.is_some()) && self.is_quiet(wait, now)
    }

    /// Whether no probe is waited for any more.
    pub fn is_quiet(&self, wait: Duration, now: Instant) -> bool {
        self.slots.iter().filter_map(Slot::open_since).all(|sent| sent + wait <= now)
    }

    /// Until when a send stamp of an answered probe, on a lane with these, is waited for; `None` if all are known.
    pub fn stamps_until(&self, wish: SendStamps) -> Option<Instant> {
        self.slots.iter().filter_map(|slot| slot.stamp_until(wish)).max()
    }

    /// The results of the probes that were sent; those still waited for are unanswered so far.
    pub fn result(&self) -> Hop {
        let probes = (1..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.sent.is_some())
            .map(|(number, slot)| ProbeResult { number, answer: slot.answer(), again: slot.again.is_some() })
            .collect();
        Hop { ttl: Ttl::new(self.ttl), probes, mtu: None }
    }
}
