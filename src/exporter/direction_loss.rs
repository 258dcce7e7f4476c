//! Where the probes of a STAMP session were lost: [`DirectionLoss`].

use crate::metrics::UnsentNumbers;

/// A reflector whose count falls back by more than packets are overtaken counts anew.
const OVERTAKEN: u32 = 64;

/// What was lost on each way, over any number of sessions. Never less than before, even if an answer comes late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionLoss {
    /// Whether a reflector's number ever differed from ours: it then counts by itself (RFC 8762 §4.3, stateful).
    stateful: bool,
    session: Option<Session>,
    unsent: UnsentNumbers,
    /// Of the sessions before.
    before: (u64, u64),
    lost: (u64, u64),
}

/// Answers that a reflector counts without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Session {
    /// The sequence number of the first probe.
    first: u32,
    /// How many probes were not sent up to the first answer, and up to the newest.
    unsent: (u64, u64),
    /// That of the newest one that was answered, and the largest number of the reflector.
    newest: u32,
    reflected: u32,
    answers: u64,
}

impl DirectionLoss {
    /// Takes the first answer to a probe: its sequence number, and the reflector's.
    pub fn take(&mut self, ours: u32, theirs: u32) {
        self.stateful |= ours != theirs;
        let anew = |session: &Session| {
            ours > session.newest && (theirs == 0 || theirs.saturating_add(OVERTAKEN) < session.reflected)
        };
        if self.session.as_ref().is_none_or(anew) {
            self.before = self.lost;
            let (first, unsent) = (ours.saturating_sub(theirs), (self.unsent.up_to(ours), 0));
            self.session = Some(Session { first, unsent, newest: ours, reflected: theirs, answers: 0 });
        }
        if let Some(session) = &mut self.session {
            if ours >= session.newest {
                (session.newest, session.unsent.1) = (ours, self.unsent.up_to(ours));
            }
            session.reflected = session.reflected.max(theirs);
            session.answers += 1;
        }
        let (there, back) = self.now();
        self.lost = (self.lost.0.max(there), self.lost.1.max(back));
    }

    /// The probe with this sequence number was not sent.
    pub fn not_sent(&mut self, ours: u32) {
        self.unsent.record(ours);
    }

    /// The probes that follow are numbered from the first again, or are another reflector's.
    pub fn begin_anew(&mut self) {
        self.before = self.lost;
        (self.session, self.unsent) = (None, UnsentNumbers::default());
    }

    /// Lost there and back; `None` as long as the reflector may be one that does not count, but copies our numbers.
    pub fn lost(&self) -> Option<(u64, u64)> {
        let nothing = self.session.is_some() && self.lost == (0, 0);
        (self.stateful || nothing).then_some(self.lost)
    }

    fn now(&self) -> (u64, u64) {
        let Some(session) = self.session else { return self.before };
        let unsent = session.unsent.1.saturating_sub(session.unsent.0);
        let sent = (u64::from(session.newest.saturating_sub(session.first)) + 1).saturating_sub(unsent);
        let reflected = u64::from(session.reflected) + 1;
        let (there, back) = (sent.saturating_sub(reflected), reflected.saturating_sub(session.answers));
        (self.before.0 + there, self.before.1 + back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(answers: &[(u32, u32)]) -> Option<(u64, u64)> {
        let mut loss = DirectionLoss::default();
        answers.iter().for_each(|&(ours, theirs)| loss.take(ours, theirs));
        loss.lost()
    }

    #[test]
    fn a_reflector_that_counts_tells_the_way_there_from_the_way_back() {
        assert_eq!(after(&[]), None);
        assert_eq!(after(&[(0, 0), (1, 1)]), Some((0, 0)));
        // Probe 2 did not get there; the answer to probe 4 did not get back.
        assert_eq!(after(&[(0, 0), (1, 1), (3, 2), (5, 4)]), Some((1, 1)));
    }

    #[test]
    fn what_was_not_sent_was_not_lost_on_the_way_there() {
        let mut loss = DirectionLoss::default();
        loss.take(0, 0);
        (1..4).for_each(|ours| loss.not_sent(ours));
        loss.take(6, 1);
        assert_eq!(loss.lost(), Some((2, 0)));
        // The reflector counts anew.
        loss.not_sent(7);
        loss.take(8, 0);
        loss.take(9, 1);
        assert_eq!(loss.lost(), Some((2, 0)));
    }

    #[test]
    fn a_reflector_that_copies_our_numbers_tells_nothing_once_something_is_lost() {
        assert_eq!(after(&[(0, 0), (2, 2), (3, 3)]), None);
    }

    #[test]
    fn what_is_overtaken_is_not_lost_for_good_and_no_counter_falls() {
        let mut loss = DirectionLoss::default();
        [(0, 0), (2, 1), (1, 2)].into_iter().for_each(|(ours, theirs)| loss.take(ours, theirs));
        assert_eq!(loss.lost(), Some((1, 0)));
        // One that is lost then is the one that was counted.
        loss.take(4, 3);
        assert_eq!(loss.lost(), Some((1, 0)));
        loss.take(6, 4);
        assert_eq!(loss.lost(), Some((2, 0)));
    }

    #[test]
    fn a_reflector_that_starts_anew_lost_nothing_by_that() {
        let answers: Vec<(u32, u32)> = (0..100).map(|n| (n, n)).chain((110..120).map(|n| (n, n - 110))).collect();
        assert_eq!(after(&answers), Some((0, 0)));
        let lossy: Vec<(u32, u32)> = answers.into_iter().chain([(122, 11)]).collect();
        assert_eq!(after(&lossy), Some((1, 1)));
    }

    #[test]
    fn probes_that_are_numbered_anew_go_on_with_what_was_counted() {
        let mut loss = DirectionLoss::default();
        [(0, 0), (2, 1)].into_iter().for_each(|(ours, theirs)| loss.take(ours, theirs));
        loss.begin_anew();
        [(0, 0), (1, 1), (3, 2)].into_iter().for_each(|(ours, theirs)| loss.take(ours, theirs));
        assert_eq!(loss.lost(), Some((2, 0)));
    }
}
