//! What is known of one series while it runs: [`Observed`], a fold of its events.

use std::collections::BTreeSet;

use super::failure::Failure;
use crate::channel::OsError;
use crate::engine::outcome::{Outcome, ProbeEvent, Standing};
use crate::engine::send_errors::Unsent;
use crate::metrics::{RttRecorder, RttStats, Variation, percent};
use crate::types::{ProbeId, Rtt, WallTime};

/// Unreachable probes that an answer may still follow; more are taken for lost for good.
const MOST_UNREACHABLE: usize = 256;

/// The results of one series so far. Every probe counts once.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Answered in time.
    pub received: u64,
    /// Refused: the host answered, the service did not.
    pub refused: u64,
    /// Not answered, unreachable, or not sent.
    pub lost: u64,
    /// Further answers.
    pub duplicates: u64,
    /// The newest round-trip time.
    pub last: Option<Rtt>,
    /// When the newest of the lost probes was sent.
    pub last_lost: Option<WallTime>,
    /// Why the newest probes have no reply.
    pub failure: Failure,
    newest_answered: Option<ProbeId>,
    newest_refused: Option<ProbeId>,
    newest_lost: Option<ProbeId>,
    unsent: Unsent,
    delays: RttRecorder,
    variation: Variation,
    unreachable: BTreeSet<ProbeId>,
}

/// What an event adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// A probe was answered.
    Answered(Rtt),
    /// A probe that had counted as lost was answered.
    Found(Rtt),
    /// A probe was refused.
    Refused,
    /// A probe was lost.
    Lost,
    /// The same: it was not sent, and the one before it was, or not for this reason.
    NotSent(OsError),
}

impl Observed {
    /// Takes the next event.
    pub fn take(&mut self, event: &ProbeEvent) -> Option<Observation> {
        self.duplicates += u64::from(event.standing.is_duplicate());
        self.failure.take(event);
        let unsent = self.unsent.take(event);
        match &event.outcome {
            Outcome::Reply(_) if event.standing == Standing::First => Some(self.answered(event)),
            Outcome::Refused(_) if event.standing == Standing::First => {
                self.forget(event.id);
                self.refused += 1;
                self.newest_refused = self.newest_refused.max(Some(event.id));
                Some(Observation::Refused)
            }
            Outcome::Error(error) if event.standing == Standing::First && !error.kind.is_advice() => {
                self.unreachable.insert(event.id);
                if self.unreachable.len() > MOST_UNREACHABLE {
                    self.unreachable.pop_first();
                }
                Some(self.lose(event))
            }
            Outcome::Timeout(_) if self.unreachable.remove(&event.id) => None,
            Outcome::Timeout(_) => Some(self.lose(event)),
            Outcome::NotSent(_) => {
                let lost = self.lose(event);
                Some(unsent.map_or(lost, Observation::NotSent))
            }
            _ => None,
        }
    }

    fn answered(&mut self, event: &ProbeEvent) -> Observation {
        let was_lost = self.forget(event.id);
        let rtt = event.rtt().unwrap_or(Rtt::from_nanos(0));
        self.received += 1;
        self.last = Some(rtt);
        self.newest_answered = self.newest_answered.max(Some(event.id));
        self.delays.record(rtt);
        self.variation.record(rtt);
        if was_lost { Observation::Found(rtt) } else { Observation::Answered(rtt) }
    }

    /// An answer follows an ICMP error: the probe is not lost.
    fn forget(&mut self, id: ProbeId) -> bool {
        let was_lost = self.unreachable.remove(&id);
        self.lost = self.lost.saturating_sub(u64::from(was_lost));
        was_lost
    }

    fn lose(&mut self, event: &ProbeEvent) -> Observation {
        self.lost += 1;
        self.last_lost = self.last_lost.max(Some(event.sent));
        self.newest_lost = self.newest_lost.max(Some(event.id));
        Observation::Lost
    }

    /// The statistics begin anew. What was lost last stays.
    pub fn reset(&mut self) {
        let Observed { last, last_lost, newest_answered, newest_refused, newest_lost, .. } = *self;
        let failure = std::mem::take(&mut self.failure);
        *self =
            Observed { last, last_lost, failure, newest_answered, newest_refused, newest_lost, ..Observed::default() };
    }

    /// Probes whose result is known.
    pub const fn decided(&self) -> u64 {
        self.received + self.refused + self.lost
    }

    /// Lost probes in percent of those; `None` if there are none.
    pub fn loss_pct(&self) -> Option<f64> {
        percent(self.lost, self.decided())
    }

    /// Whether the newest probe with a known result is lost.
    pub fn is_losing(&self) -> bool {
        self.newest_lost > self.newest_answered.max(self.newest_refused)
    }

    /// Whether it is refused.
    pub fn is_refused(&self) -> bool {
        self.newest_refused > self.newest_answered.max(self.newest_lost)
    }

    /// Round-trip times, once there is one.
    pub fn rtt(&self) -> Option<RttStats> {
        self.delays.stats()
    }

    /// The mean difference between successive answers, nanoseconds, once there are two.
    pub fn jitter(&self) -> Option<f64> {
        self.variation.stats().map(|stats| stats.mean)
    }
}
