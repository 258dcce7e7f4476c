//! One cycle of a watched path: the state of each of its probes ([`ProbeState`]), and how far away the destination was.

use std::mem;

use crate::trace::path::distance::Distance;
use crate::types::Instant;

/// The state of the probe that one TTL got in one cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ProbeState {
    /// There was none.
    #[default]
    Unasked,
    /// The kernel refused it.
    NotSent,
    /// It left, and nothing has come back.
    Silent,
    /// A router on the way answered.
    Router,
    /// It cannot be delivered.
    Unreachable,
    /// The destination answered; and how far away it is, if its quote shows that.
    Target(Option<u8>),
}

impl ProbeState {
    /// Whether anything came back.
    const fn is_answer(self) -> bool {
        matches!(self, ProbeState::Router | ProbeState::Unreachable | ProbeState::Target(_))
    }
}

/// One cycle.
#[derive(Clone, Debug)]
pub(super) struct Cycle {
    pub at: Instant,
    pub last_sent: Instant,
    pub first: u8,
    /// By TTL, from `first` on.
    states: Vec<ProbeState>,
    /// Kept, because it is asked for at each turn, and changes only with an answer.
    shown: Shown,
}

/// What the answers of a cycle show together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shown {
    /// The highest TTL at which a router answered.
    router: Option<u8>,
    /// The lowest TTL from which a probe could not be delivered.
    refused: Option<u8>,
    /// The highest TTL of a probe that the destination answered.
    answered: Option<u8>,
    /// How far away the destination was.
    distance: Option<Distance>,
}

impl Cycle {
    pub fn new(at: Instant, now: Instant, first: u8) -> Cycle {
        Cycle { at, last_sent: now, first, states: Vec::new(), shown: Shown::default() }
    }

    pub fn state(&self, ttl: u8) -> ProbeState {
        let at = ttl.checked_sub(self.first).map(usize::from);
        at.and_then(|at| self.states.get(at)).copied().unwrap_or_default()
    }

    pub fn set(&mut self, ttl: u8, state: ProbeState) {
        let Some(at) = ttl.checked_sub(self.first).map(usize::from) else { return };
        if self.states.len() <= at {
            self.states.resize(at + 1, ProbeState::Unasked);
        }
        let Some(known) = self.states.get_mut(at) else { return };
        let before = mem::replace(known, state);
        if before.is_answer() || state.is_answer() {
            self.shown = self.show();
        }
    }

    /// The TTLs that were probed, lowest first.
    pub fn probed(&self) -> impl DoubleEndedIterator<Item = (u8, ProbeState)> + Clone {
        // No range zipped with the states, the rest of which each search from the end would count through.
        let first = self.first;
        let ttl = move |at: usize| u8::try_from(at).ok()?.checked_add(first);
        let states = self.states.iter().copied().enumerate().filter(|&(_, state)| state != ProbeState::Unasked);
        states.filter_map(move |(at, state)| Some((ttl(at)?, state)))
    }

    /// Whether the destination answered a probe with `ttl` or a higher one.
    pub fn is_answered_from(&self, ttl: u8) -> bool {
        self.shown.answered.is_some_and(|answered| answered >= ttl)
    }

    /// The highest TTL of a probe that the destination answered.
    pub const fn answered_from(&self) -> Option<u8> {
        self.shown.answered
    }

    /// The lowest TTL from which a probe could not be delivered.
    pub const fn refused_at(&self) -> Option<u8> {
        self.shown.refused
    }

    /// How far beyond `above` the destination was, if it answered from there.
    pub fn distance(&self, above: u8) -> Option<Distance> {
        let distance = self.shown.distance?;
        // Answers up to `above` do not count: where a router answered at `above` or beyond, they do not anyway.
        if above <= self.shown.router.unwrap_or_default() && above < distance.asked {
            return Some(distance);
        }
        self.distance_by(above, self.shown.router)
    }

    fn distance_by(&self, above: u8, router: Option<u8>) -> Option<Distance> {
        let answers = self.probed().filter_map(|(ttl, state)| match state {
            ProbeState::Target(quoted) => Some((ttl, quoted)),
            _ => None,
        });
        let is_router = |ttl| self.state(ttl) == ProbeState::Router;
        Distance::of(answers, above, (router, is_router), self.first)
    }

    fn show(&self) -> Shown {
        let router = self.probed().rfind(|&(_, state)| state == ProbeState::Router).map(|(ttl, _)| ttl);
        let refused = self.probed().find(|&(_, state)| state == ProbeState::Unreachable).map(|(ttl, _)| ttl);
        let answered = self.probed().rfind(|&(_, state)| matches!(state, ProbeState::Target(_))).map(|(ttl, _)| ttl);
        Shown { router, refused, answered, distance: self.distance_by(0, router) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cycle(states: &[ProbeState]) -> Cycle {
        let mut cycle = Cycle::new(Instant::ZERO, Instant::ZERO, 1);
        (1..).zip(states).for_each(|(ttl, &state)| cycle.set(ttl, state));
        cycle
    }

    fn distance(states: &[ProbeState]) -> Option<(u8, bool)> {
        cycle(states).distance(0).map(|at| (at.ttl, at.proven))
    }

    use ProbeState::{Router, Silent, Target};

    #[test]
    fn a_distance_is_proven_by_the_router_below_or_by_the_quote() {
        assert_eq!(distance(&[Router, Router, Target(None), Target(None)]), Some((3, true)));
        assert_eq!(distance(&[Router, Silent, Target(None)]), Some((3, false)));
        assert_eq!(distance(&[Router, Silent, Silent, Target(Some(3))]), Some((3, true)));
        assert_eq!(distance(&[Target(None)]), Some((1, true)));
        assert_eq!(distance(&[Router, Silent]), None);
    }

    #[test]
    fn where_packets_take_paths_of_two_lengths_a_cycle_shows_the_shorter() {
        assert_eq!(distance(&[Router, Router, Target(None), Router, Target(None)]), Some((3, true)));
        assert_eq!(distance(&[Router, Silent, Target(None), Router, Target(None)]), Some((3, false)));
    }

    #[test]
    fn a_router_that_answers_refutes_a_nearer_distance_in_a_quote() {
        assert_eq!(distance(&[Router, Router, Router, Target(Some(1))]), Some((4, true)));
        assert_eq!(distance(&[Router, Silent, Router, Silent, Target(Some(3))]), Some((5, false)));
        assert_eq!(cycle(&[Router, Silent, Silent, Target(Some(2))]).distance(2).map(|at| at.ttl), Some(4));
    }

    fn any_state() -> impl Strategy<Value = ProbeState> {
        prop_oneof![
            Just(ProbeState::Unasked),
            Just(ProbeState::NotSent),
            Just(Silent),
            Just(Router),
            Just(ProbeState::Unreachable),
            proptest::option::of(1u8..12).prop_map(Target),
        ]
    }

    proptest! {
        /// In whatever order states come and go.
        #[test]
        fn what_is_kept_of_a_cycle_is_what_its_states_show(
            first in 1u8..4,
            states in proptest::collection::vec((0u8..10, any_state()), 0..40),
        ) {
            let mut cycle = Cycle::new(Instant::ZERO, Instant::ZERO, first);
            for (ttl, state) in states {
                cycle.set(ttl, state);
                let now = &cycle;
                let with = |is: fn(ProbeState) -> bool| (0..10).filter(move |&ttl| is(now.state(ttl)));
                let router = with(|state| state == Router).max();
                prop_assert_eq!(cycle.shown.router, router);
                prop_assert_eq!(cycle.refused_at(), with(|state| state == ProbeState::Unreachable).min());
                let answered = with(|state| matches!(state, Target(_))).max();
                prop_assert_eq!(cycle.answered_from(), answered);
                for above in 0..12 {
                    prop_assert_eq!(cycle.is_answered_from(above), answered >= Some(above));
                    prop_assert_eq!(cycle.distance(above), cycle.distance_by(above, router), "{:?} {}", cycle, above);
                }
            }
        }
    }
}
