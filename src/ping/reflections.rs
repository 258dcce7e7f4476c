//! The answers of a STAMP session, summed up: [`Reflections`].

use super::summary::{OneWayStats, ReflectionStats, Spread};
use crate::engine::method::stamp_sequence;
use crate::engine::outcome::Reflection;
use crate::metrics::{RttRecorder, UnsentNumbers};
use crate::types::ProbeId;

/// The answers of a session, summed up.
#[derive(Debug, Default)]
pub(super) struct Reflections {
    reflector: RttRecorder,
    rtt_net: RttRecorder,
    there: Signed,
    back: Signed,
    error: u64,
    answers: u64,
    /// The newest answered probe's sequence number, and the largest count of the reflector's.
    newest: u32,
    reflected: u32,
    unsent: UnsentNumbers,
    /// How many probes up to the newest answered one never left.
    unsent_before: u64,
    /// Whether the reflector's number ever differed from ours: it then counts by itself (§4.3, stateful).
    stateful: bool,
}

impl Reflections {
    /// Takes the first answer to a probe; late ones count for where packets were lost only.
    pub(super) fn record(&mut self, probe: ProbeId, reflection: &Reflection, late: bool) {
        let sequence = stamp_sequence(probe);
        if self.answers == 0 || sequence > self.newest {
            (self.newest, self.unsent_before) = (sequence, self.unsent.up_to(sequence));
        }
        self.answers += 1;
        self.reflected = self.reflected.max(reflection.sequence);
        self.stateful |= sequence != reflection.sequence;
        if late {
            return;
        }
        self.reflector.record(reflection.reflector);
        self.rtt_net.record(reflection.rtt_net);
        if let Some(one_way) = reflection.one_way {
            self.there.record(one_way.there);
            self.back.record(one_way.back);
            self.error = self.error.max(one_way.error);
        }
    }

    /// This probe never left.
    pub(super) fn not_sent(&mut self, probe: ProbeId) {
        self.unsent.record(stamp_sequence(probe));
    }

    /// The sums, once there is an answer.
    pub(super) fn stats(&self) -> Option<ReflectionStats> {
        let (reflector, rtt_net) = (Some(self.reflector.stats()?), self.rtt_net.stats());
        let spreads = self.there.spread().zip(self.back.spread());
        let one_way = spreads.map(|(there, back)| OneWayStats { there, back, error: self.error });
        Some(ReflectionStats { lost: self.lost(), reflector, rtt_net, one_way })
    }

    /// Lost there and back, up to the newest answer. A reflector whose numbers are always ours may be a stateless one, which
    /// copies them, or a stateful one that got everything: they differ once something is missing.
    fn lost(&self) -> Option<(u64, u64)> {
        let sent = (u64::from(self.newest) + 1).saturating_sub(self.unsent_before);
        let reflected = u64::from(self.reflected) + 1;
        let counted = reflected <= sent && self.answers <= reflected;
        let known = self.stateful || self.answers == sent;
        (known && counted).then(|| (sent - reflected, reflected - self.answers))
    }
}

/// Smallest, sum and largest of numbers that may be negative.
#[derive(Debug, Default)]
struct Signed {
    count: u64,
    mean: f64,
    ends: Option<(i64, i64)>,
}

impl Signed {
    fn record(&mut self, nanos: i64) {
        self.count += 1;
        self.mean += (nanos as f64 - self.mean) / self.count as f64;
        let (min, max) = self.ends.unwrap_or((nanos, nanos));
        self.ends = Some((min.min(nanos), max.max(nanos)));
    }

    fn spread(&self) -> Option<Spread> {
        self.ends.map(|(min, max)| Spread { min, mean: self.mean, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Rtt;

    /// The losses there and back, from pairs of our number and the reflector's.
    fn lost(answers: &[(u32, u32)]) -> Option<(u64, u64)> {
        let mut all = Reflections::default();
        let reflection = Reflection { sequence: 0, reflector: Rtt::default(), rtt_net: Rtt::default(), one_way: None };
        for &(ours, theirs) in answers {
            all.record(ProbeId::new(u64::from(ours) + 1), &Reflection { sequence: theirs, ..reflection }, false);
        }
        all.stats().unwrap().lost
    }

    #[test]
    fn a_counting_reflector_shows_on_which_way_packets_were_lost() {
        assert_eq!(lost(&[(0, 0), (1, 1), (2, 2)]), Some((0, 0)));
        assert_eq!(lost(&[(0, 0), (2, 1), (3, 2)]), Some((1, 0)));
        assert_eq!(lost(&[(0, 0), (2, 1), (4, 3)]), Some((1, 1)));
        assert_eq!(lost(&[(2, 0), (1, 1)]), Some((1, 0)));
    }

    #[test]
    fn what_was_not_sent_was_not_lost_on_the_way_there() {
        let mut all = Reflections::default();
        let reflection = Reflection { sequence: 0, reflector: Rtt::default(), rtt_net: Rtt::default(), one_way: None };
        all.record(ProbeId::FIRST, &reflection, false);
        (2..6).for_each(|id| all.not_sent(ProbeId::new(id)));
        // Probe 6 was lost, 7 came as the reflector's second, 8 was not sent before that was known.
        all.not_sent(ProbeId::new(8));
        all.record(ProbeId::new(7), &Reflection { sequence: 1, ..reflection }, false);
        assert_eq!(all.stats().unwrap().lost, Some((1, 0)));
        (9..500).for_each(|id| all.not_sent(ProbeId::new(id)));
        assert_eq!(all.stats().unwrap().lost, Some((1, 0)));
    }

    #[test]
    fn a_reflector_that_may_not_count_shows_nothing() {
        assert_eq!(lost(&[(0, 0), (2, 2)]), None);
        // Another session's, or nonsense.
        assert_eq!(lost(&[(0, 7)]), None);
    }
}
