//! Whether packets of one size reach one hop: [`Trial`].
//!
//! A first packet goes alone. If nothing comes back, more follow, each with a smaller one right behind it that is known to
//! pass: silence counts only where those are answered. While none of them is, routers may limit their answers, so everything
//! slows down; and the more of them are lost, the more lost packets it takes to blame their size.

use std::collections::VecDeque;
use std::time::Duration;

use crate::types::Instant;

/// So many packets must be lost, and as many smaller ones answered. It is also how many are sent at a time.
const LEAST_LOST: u32 = 3;
/// No more pairs than this are sent.
const MOST_PAIRS: u32 = 12;
/// Silence that random loss explains with more than this probability is no proof.
const DOUBT: f64 = 1e-3;
/// Between two pairs, so that one short outage does not take them all.
const SPREAD: Duration = Duration::from_millis(10);
/// The same where answers are limited: a little more than Linux hosts let pass between two errors to one peer.
const LIMIT_PAUSE: Duration = Duration::from_millis(1050);

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It has the size in question.
    Asked,
    /// It is smaller.
    Control,
}

/// Pauses between packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pauses {
    /// Between any two (`-z`).
    each: Duration,
    /// Between two pairs.
    pair: Duration,
    /// Whether answers seem to be limited.
    limited: bool,
}

impl Pauses {
    pub fn new(each: Duration, paced: bool) -> Self {
        Pauses { each, pair: if paced { SPREAD } else { Duration::ZERO }.max(each), limited: false }
    }

    /// When the next trial may begin, if the last packet left at `last`.
    pub fn after(&self, last: Instant) -> Instant {
        last + if self.limited { self.pair } else { self.each }
    }

    fn slow_down(&mut self) {
        self.limited = true;
        self.pair = self.pair.max(LIMIT_PAUSE);
    }
}

/// What is to be done once all packets of a trial are answered or given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// More packets are queued.
    Again,
    /// The size is why nothing came back.
    Silent,
    /// It cannot be told.
    Unclear,
}

/// One trial under way.
#[derive(Debug)]
pub(super) struct Trial {
    pub ttl: u8,
    pub size: usize,
    /// A smaller size that is known to pass.
    control: usize,
    /// What is still to be sent, and when at the earliest.
    queue: VecDeque<(Instant, Role)>,
    /// Pairs sent in all.
    pairs: u32,
    /// Those that count, and how many of their smaller packets were answered.
    counted: u32,
    answered: u32,
    /// The same of the last pairs alone.
    just_answered: u32,
}

impl Trial {
    /// A trial that begins at `at`.
    pub fn new((ttl, size): (u8, usize), control: usize, at: Instant) -> Self {
        let queue = VecDeque::from([(at, Role::Asked)]);
        Trial { ttl, size, control, queue, pairs: 0, counted: 0, answered: 0, just_answered: 0 }
    }

    /// The next packet to send, and when.
    pub fn next(&self) -> Option<(Instant, Role)> {
        self.queue.front().copied()
    }

    /// It is sent.
    pub fn sent(&mut self) {
        self.queue.pop_front();
    }

    /// A packet could not be sent; it is tried again at `at`.
    pub fn postpone(&mut self, role: Role, at: Instant) {
        self.queue.push_front((at, role));
    }

    /// Octets of a packet.
    pub fn octets(&self, role: Role) -> usize {
        match role {
            Role::Asked => self.size,
            Role::Control => self.control,
        }
    }

    /// A smaller packet was answered.
    pub fn control_answered(&mut self) {
        self.answered += 1;
        self.just_answered += 1;
    }

    /// No packet of the size in question was answered, and nothing is waited for any more. The last one left at `last`.
    pub fn judge(&mut self, now: Instant, last: Instant, pauses: &mut Pauses) -> Verdict {
        if self.pairs > 0 && self.just_answered == 0 {
            if pauses.limited {
                return Verdict::Unclear;
            }
            // What is lost because it comes too fast says nothing about its size.
            (self.counted, self.answered) = (0, 0);
            pauses.slow_down();
        }
        if self.answered >= LEAST_LOST && needed(self.counted, self.answered).is_some_and(|least| self.counted >= least)
        {
            return Verdict::Silent;
        }
        if self.pairs >= MOST_PAIRS {
            return Verdict::Unclear;
        }
        let mut due = now.max(pauses.after(last));
        for _ in 0..LEAST_LOST {
            self.queue.extend([(due, Role::Asked), (due + pauses.each, Role::Control)]);
            due = due + pauses.pair.max(pauses.each.saturating_mul(2));
        }
        self.pairs += LEAST_LOST;
        self.counted += LEAST_LOST;
        self.just_answered = 0;
        Verdict::Again
    }
}

/// How many packets must be lost, if of so many smaller ones sent between them so many were answered; `None` where too many
/// of those are lost to say.
fn needed(sent: u32, answered: u32) -> Option<u32> {
    let lost = sent.saturating_sub(answered);
    if lost == 0 {
        return Some(LEAST_LOST);
    }
    let rate = f64::from(lost) / f64::from(sent.max(1));
    let needed = (DOUBT.ln() / rate.ln()).ceil();
    (rate < 1.0 && needed <= f64::from(MOST_PAIRS)).then_some((needed as u32).max(LEAST_LOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judges after each batch, of whose smaller packets so many were answered.
    fn judged(answered: &[u32]) -> (Vec<Verdict>, Pauses) {
        let mut trial = Trial::new((4, 1500), 1400, Instant::ZERO);
        let mut pauses = Pauses::new(Duration::ZERO, true);
        trial.sent();
        let mut verdicts = vec![trial.judge(Instant::ZERO, Instant::ZERO, &mut pauses)];
        for &answers in answered {
            while trial.next().is_some() {
                trial.sent();
            }
            (0..answers).for_each(|_| trial.control_answered());
            verdicts.push(trial.judge(Instant::ZERO, Instant::ZERO, &mut pauses));
        }
        (verdicts, pauses)
    }

    #[test]
    fn silence_is_stated_after_three_losses_between_answers() {
        assert_eq!(judged(&[3]).0, [Verdict::Again, Verdict::Silent]);
    }

    #[test]
    fn every_lost_packet_has_a_smaller_one_right_behind_it() {
        let mut trial = Trial::new((4, 1500), 1400, Instant::ZERO);
        trial.sent();
        trial.judge(Instant::ZERO, Instant::ZERO, &mut Pauses::new(Duration::ZERO, true));
        let queued: Vec<_> = trial.queue.iter().map(|&(at, role)| (at.as_nanos() / 1_000_000, role)).collect();
        let pair = |at| [(at, Role::Asked), (at, Role::Control)];
        assert_eq!(queued, [pair(0), pair(10), pair(20)].concat());
    }

    #[test]
    fn lost_controls_take_more_losses() {
        assert_eq!(judged(&[2, 3]).0, [Verdict::Again, Verdict::Again, Verdict::Silent]);
        assert_eq!(judged(&[1, 2, 2]).0, [Verdict::Again, Verdict::Again, Verdict::Again, Verdict::Again]);
        assert_eq!(judged(&[1, 1, 1, 1]).0.last(), Some(&Verdict::Unclear));
    }

    #[test]
    fn unanswered_controls_slow_everything_down_and_then_end_it() {
        let (verdicts, pauses) = judged(&[0]);
        assert_eq!((verdicts, pauses.pair), (vec![Verdict::Again; 2], LIMIT_PAUSE));
        assert_eq!(judged(&[0, 3]).0.last(), Some(&Verdict::Silent));
        assert_eq!(judged(&[0, 0]).0.last(), Some(&Verdict::Unclear));
    }

    #[test]
    fn no_trial_is_endless() {
        let batches = (MOST_PAIRS / LEAST_LOST) as usize;
        for answers in 0..8u32.pow(4) {
            let each: Vec<u32> = (0..batches as u32).map(|at| answers / 4u32.pow(at) % 4).collect();
            assert!(judged(&each).0.iter().any(|verdict| *verdict != Verdict::Again), "{each:?}");
        }
    }
}
