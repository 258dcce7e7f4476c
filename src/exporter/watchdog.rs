//! Reports to the service manager that every prober is at work: [`Watchdog`].

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::keeper::Shared;
use crate::net::Notifier;

/// Looks in the time after which a service counts as stuck.
const LOOKS: u32 = 4;
/// How often a look is taken where no watchdog asks for it.
const SELDOM: Duration = Duration::from_secs(3600);

/// The service manager, if there is one that listens.
#[derive(Debug, Default)]
pub struct Watchdog {
    manager: Option<Notifier>,
    /// The service counts as stuck if it says nothing for so long.
    patience: Option<Duration>,
    turns: Vec<u64>,
}

impl Watchdog {
    pub fn new(manager: Option<Notifier>, patience: Option<Duration>) -> Self {
        Watchdog {
            manager,
            patience: patience.filter(|patience| *patience >= Duration::from_millis(100)),
            turns: Vec::new(),
        }
    }

    /// From one look to the next.
    pub fn every(&self) -> Duration {
        self.patience.map_or(SELDOM, |patience| patience / LOOKS)
    }

    /// Requests are answered from now on.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// Says that all is well if every prober has taken a turn since the last look, and wakes each for the next.
    pub fn look(&mut self, shared: &Shared) {
        if self.manager.is_none() || self.patience.is_none() {
            return;
        }
        let others = [&shared.paths.health, &shared.sizes.health];
        let healths = shared.workers.iter().map(|worker| &worker.health).chain(others);
        if self.went_on(healths.map(|health| health.turns.load(Ordering::Relaxed)).collect()) {
            self.say("WATCHDOG=1");
        }
        shared.workers.iter().for_each(|worker| worker.ask([]));
        shared.paths.ask([]);
        shared.sizes.ask([]);
    }

    /// Whether all of these counts are others than those before.
    fn went_on(&mut self, turns: Vec<u64>) -> bool {
        let all = turns.iter().zip(&self.turns).all(|(now, before)| now != before);
        self.turns = turns;
        all
    }

    fn say(&self, message: &str) {
        if let Some(manager) = &self.manager {
            manager.say(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_prober_that_is_stuck_is_enough() {
        let mut watchdog = Watchdog::default();
        let turns =
            [(vec![0, 0], true), (vec![5, 3], true), (vec![9, 3], false), (vec![9, 4], false), (vec![10, 5], true)];
        for (turns, went_on) in turns {
            assert_eq!(watchdog.went_on(turns.clone()), went_on, "{turns:?}");
        }
    }

    #[test]
    fn looks_are_taken_well_within_the_time_that_is_given() {
        let every = |patience| Watchdog::new(None, Some(patience)).every();
        assert_eq!(every(Duration::from_secs(20)), Duration::from_secs(5));
        assert_eq!(every(Duration::ZERO), SELDOM);
    }
}
