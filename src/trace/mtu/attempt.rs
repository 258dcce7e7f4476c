//! Whether packets of one size reach one hop: [`Attempt`].
//!
//! Silence counts only where smaller packets are answered meanwhile, which are known to pass: right after each packet of the
//! size in question leaves one of them. A first attempt of a size is content with one such pair, so that sizes can be searched
//! quickly; what it finds is confirmed by a thorough one. While no smaller packet is answered, routers may limit their
//! answers, so everything slows down; and the more of them are lost, the more lost packets it takes to blame their size.

use std::collections::VecDeque;
use std::time::Duration;

use crate::types::Instant;

/// Packets that a thorough attempt must lose, and smaller ones that must be answered.
const MIN_LOST: u32 = 3;
/// Pairs that leave at a time where one was not enough.
const BATCH: u32 = 5;
/// No more pairs than this are sent.
const MAX_PAIRS: u32 = 3 * BATCH;
/// Silence that random loss explains with more than this probability is no proof.
const DOUBT: f64 = 1e-4;
/// Between two pairs, so that one short outage does not take them all.
const SPREAD: Duration = Duration::from_millis(10);
/// The same where answers are limited: a little more than Linux hosts let pass between two errors to one peer.
const LIMIT_PAUSE: Duration = Duration::from_millis(1050);

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It has the size in question.
    Test,
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

/// Cause packets fared whose size is known to pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Controls {
    pub sent: u32,
    pub answered: u32,
}

impl Pauses {
    pub fn new(each: Duration, paced: bool) -> Self {
        Pauses { each, pair: if paced { SPREAD } else { Duration::ZERO }.max(each), limited: false }
    }

    /// When the next attempt may begin, if the last packet left at `last`.
    pub fn after(&self, last: Instant) -> Instant {
        last + if self.limited { self.pair } else { self.each }
    }

    /// Whether answers seem to be limited.
    pub fn is_limited(&self) -> bool {
        self.limited
    }

    fn slow_down(&mut self) {
        self.limited = true;
        self.pair = self.pair.max(LIMIT_PAUSE);
    }
}

/// What is to be done once all packets of an attempt are answered or given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conclusion {
    /// More packets are queued.
    Again,
    /// The size is why nothing came back.
    Silent,
    /// It remains open.
    Unclear,
}

/// How an attempt goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// The first packet goes alone: it will be answered, or refused.
    Alone,
    /// One pair at once: silence is likely.
    Pair,
    /// A size that was found silent is to be confirmed.
    Thorough,
}

/// One attempt under way.
#[derive(Debug)]
pub(super) struct Attempt {
    pub ttl: u8,
    pub size: usize,
    /// A smaller size that is known to pass.
    control: usize,
    thorough: bool,
    /// What is still to be sent, and when at the earliest.
    queue: VecDeque<(Instant, Role)>,
    /// Pairs sent in all, and at last.
    pairs: u32,
    just_sent: u32,
    /// Those that count.
    controls: Controls,
    /// The same of the last pairs alone.
    just_answered: u32,
}

impl Attempt {
    /// A attempt that begins at `at`.
    pub fn new((ttl, size): (u8, usize), control: usize, plan: Plan, at: Instant, pauses: &Pauses) -> Self {
        let mut attempt = Attempt {
            ttl,
            size,
            control,
            thorough: plan == Plan::Thorough,
            queue: VecDeque::new(),
            pairs: 0,
            just_sent: 0,
            controls: Controls::default(),
            just_answered: 0,
        };
        match plan {
            Plan::Alone => attempt.queue.push_back((at, Role::Test)),
            Plan::Pair => attempt.queue_pairs(1, at, pauses),
            Plan::Thorough => attempt.queue_pairs(BATCH, at, pauses),
        }
        attempt
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
            Role::Test => self.size,
            Role::Control => self.control,
        }
    }

    /// A smaller packet was answered.
    pub fn control_answered(&mut self) {
        self.controls.answered += 1;
        self.just_answered += 1;
    }

    /// No packet of the size in question was answered, and nothing is waited for any more; the last left at `last`.
    /// `known` counts all packets to this hop, also of earlier attempts, whose size is known to pass.
    pub fn judge(&mut self, now: Instant, last: Instant, known: Controls, pauses: &mut Pauses) -> Conclusion {
        if self.just_sent >= MIN_LOST && self.just_answered == 0 {
            if pauses.limited {
                return Conclusion::Unclear;
            }
            // What is lost because it comes too fast says nothing about its size.
            (self.controls, self.pairs) = (Controls::default(), 0);
            pauses.slow_down();
        }
        if self.is_silent(known) {
            return Conclusion::Silent;
        }
        if self.pairs >= MAX_PAIRS {
            return Conclusion::Unclear;
        }
        let first = self.just_sent == 0;
        self.queue_pairs(if first && !self.thorough { 1 } else { BATCH }, now.max(pauses.after(last)), pauses);
        Conclusion::Again
    }

    fn is_silent(&self, known: Controls) -> bool {
        if !self.thorough {
            return self.controls.answered > 0;
        }
        let enough = needed(known).is_some_and(|least| self.controls.sent >= least);
        enough && self.controls.answered >= MIN_LOST
    }

    fn queue_pairs(&mut self, pairs: u32, at: Instant, pauses: &Pauses) {
        let mut due = at;
        for _ in 0..pairs {
            self.queue.extend([(due, Role::Test), (due + pauses.each, Role::Control)]);
            due = due + pauses.pair.max(pauses.each.saturating_mul(2));
        }
        self.pairs += pairs;
        self.controls.sent += pairs;
        (self.just_sent, self.just_answered) = (pairs, 0);
    }
}

/// Cause many packets must be lost to blame their size, if those that are known to pass fared like this; `None` where too many
/// of those are lost to say.
fn needed(known: Controls) -> Option<u32> {
    let lost = known.sent.saturating_sub(known.answered);
    // Laplace's rule of succession: few packets without a loss do not prove that none is ever lost.
    let rate = f64::from(lost + 1) / f64::from(known.sent + 2);
    let needed = (DOUBT.ln() / rate.ln()).ceil();
    (needed <= f64::from(MAX_PAIRS)).then_some((needed as u32).max(MIN_LOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(plan: Plan, pauses: &Pauses) -> Attempt {
        Attempt::new((4, 1500), 1400, plan, Instant::ZERO, pauses)
    }

    /// Judges after each batch; `answered` has how many of its smaller packets were answered.
    fn judged(plan: Plan, answered: &[u32]) -> (Vec<Conclusion>, Pauses) {
        let mut pauses = Pauses::new(Duration::ZERO, true);
        let mut attempt = attempt(plan, &pauses);
        let mut conclusions = Vec::new();
        for &answers in answered {
            while attempt.next().is_some() {
                attempt.sent();
            }
            (0..answers).for_each(|_| attempt.control_answered());
            let known = attempt.controls;
            conclusions.push(attempt.judge(Instant::ZERO, Instant::ZERO, known, &mut pauses));
        }
        (conclusions, pauses)
    }

    fn thorough(answered: &[u32]) -> Vec<Conclusion> {
        judged(Plan::Thorough, answered).0
    }

    #[test]
    fn a_thorough_attempt_states_silence_after_losses_between_answers() {
        assert_eq!(thorough(&[5]), [Conclusion::Silent]);
    }

    #[test]
    fn a_first_attempt_is_content_with_one_answer() {
        assert_eq!(judged(Plan::Alone, &[0, 1]).0, [Conclusion::Again, Conclusion::Silent]);
        assert_eq!(judged(Plan::Pair, &[1]).0, [Conclusion::Silent]);
        assert_eq!(judged(Plan::Pair, &[0, 1]).0, [Conclusion::Again, Conclusion::Silent]);
    }

    #[test]
    fn every_lost_packet_has_a_smaller_one_right_after_it() {
        let attempt = attempt(Plan::Thorough, &Pauses::new(Duration::ZERO, true));
        let queued: Vec<_> = attempt.queue.iter().map(|&(at, role)| (at.as_nanos() / 1_000_000, role)).collect();
        let pair = |at| [(at, Role::Test), (at, Role::Control)];
        assert_eq!(queued, [0, 10, 20, 30, 40].map(pair).concat());
    }

    #[test]
    fn lost_controls_take_more_losses() {
        assert_eq!(thorough(&[4, 5]), [Conclusion::Again, Conclusion::Silent]);
        assert_eq!(thorough(&[2, 4, 4]), [Conclusion::Again, Conclusion::Again, Conclusion::Silent]);
        assert_eq!(thorough(&[2, 2, 2]).last(), Some(&Conclusion::Unclear));
    }

    #[test]
    fn what_earlier_attempt_lost_counts() {
        let mut pauses = Pauses::new(Duration::ZERO, true);
        let mut attempt = attempt(Plan::Thorough, &pauses);
        (0..BATCH).for_each(|_| attempt.control_answered());
        let known = Controls { sent: 15, answered: 12 };
        assert_eq!(attempt.judge(Instant::ZERO, Instant::ZERO, known, &mut pauses), Conclusion::Again);
    }

    #[test]
    fn unanswered_controls_slow_everything_down_and_then_end_it() {
        let (conclusions, pauses) = judged(Plan::Thorough, &[0]);
        assert_eq!((conclusions, pauses.pair), (vec![Conclusion::Again], LIMIT_PAUSE));
        assert_eq!(thorough(&[0, 5]).last(), Some(&Conclusion::Silent));
        assert_eq!(thorough(&[0, 0]).last(), Some(&Conclusion::Unclear));
        // One lost packet is no sign of a limit.
        assert_eq!(judged(Plan::Pair, &[0]).1.pair, SPREAD);
    }

    #[test]
    fn no_attempt_is_endless() {
        for answers in 0..6u32.pow(6) {
            let each: Vec<u32> = (0..6).map(|at| answers / 6u32.pow(at) % 6).collect();
            for plan in [Plan::Alone, Plan::Pair, Plan::Thorough] {
                assert!(judged(plan, &each).0.iter().any(|conclusion| *conclusion != Conclusion::Again), "{each:?}");
            }
        }
    }
}
