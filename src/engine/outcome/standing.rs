//! First, late or duplicate: [`Standing`], decided here for every kind of answer.

use crate::types::Instant;

/// Whether an answer decides its probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Standing {
    /// The first answer within the wait, the first ICMP error before that, or the end of the wait.
    #[default]
    First,
    /// The first answer, after the wait was over.
    Late,
    /// A further answer.
    Duplicate {
        /// Whether the first one was late.
        late: bool,
    },
    /// It decides nothing: a redirect, a source quench, a reply with a wrong checksum, an ICMP error after another or after an
    /// answer.
    Inconclusive,
}

/// The answers to a probe so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// None, and it is waited for; until then, or forever.
    Open(Option<Instant>),
    /// One within the wait.
    InTime,
    /// None, and the wait is over.
    Not,
    /// One after the wait.
    Late,
}

impl Standing {
    /// The standing of an answer that arrived at `arrival`. A timer may be handled later than an answer that came after it,
    /// so an open probe is compared with its deadline here.
    pub fn of(answered: Answered, arrival: Instant) -> Self {
        match answered {
            Answered::Open(until) if until.is_none_or(|until| arrival <= until) => Standing::First,
            Answered::Open(_) | Answered::Not => Standing::Late,
            Answered::InTime => Standing::Duplicate { late: false },
            Answered::Late => Standing::Duplicate { late: true },
        }
    }

    /// Whether another answer to the probe came before.
    pub const fn is_duplicate(self) -> bool {
        matches!(self, Standing::Duplicate { .. })
    }

    /// Whether the wait for the probe was over before it was answered.
    pub const fn is_late(self) -> bool {
        matches!(self, Standing::Late | Standing::Duplicate { late: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_answer_within_the_wait_counts_and_others_are_late_or_duplicate() {
        let at = Instant::from_nanos;
        for (answered, arrival, standing) in [
            (Answered::Open(None), 9, Standing::First),
            (Answered::Open(Some(at(5))), 5, Standing::First),
            (Answered::Open(Some(at(5))), 6, Standing::Late),
            (Answered::Not, 1, Standing::Late),
            (Answered::InTime, 1, Standing::Duplicate { late: false }),
            (Answered::Late, 1, Standing::Duplicate { late: true }),
        ] {
            assert_eq!(Standing::of(answered, at(arrival)), standing, "{answered:?}");
        }
    }
}
