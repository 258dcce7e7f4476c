//! Reverse names: what the network's resolver answers, and when.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::channel::{Lookup, NameAnswer};

/// What becomes of a reverse lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameOutcome {
    /// This name, after this time.
    Named(Box<str>, Duration),
    /// There is no name, which is known after this time.
    Nameless(Duration),
    /// The resolver gives up after this time.
    TimesOut(Duration),
    /// No answer ever comes.
    Never,
}

/// The resolver. Lookups are asked from outside the channel, so they wait in a shared place until it looks.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    outcomes: HashMap<IpAddr, NameOutcome>,
    asked: Arc<Mutex<Vec<IpAddr>>>,
}

impl Names {
    pub(super) fn set(&mut self, address: IpAddr, outcome: NameOutcome) {
        self.outcomes.insert(address, outcome);
    }

    /// The same resolver with nothing asked yet.
    pub(super) fn fresh(&self) -> Self {
        Names { outcomes: self.outcomes.clone(), asked: Arc::default() }
    }

    pub(super) fn lookup(&self) -> Lookup {
        let asked = Arc::clone(&self.asked);
        Box::new(move |address| asked.lock().unwrap_or_else(PoisonError::into_inner).push(address))
    }

    /// The answers to what was asked since the last call, with the time each takes.
    pub(super) fn answers(&self) -> Vec<(Duration, NameAnswer)> {
        let mut waiting = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.drain(..).filter_map(|address| self.answer(address)).collect()
    }

    fn answer(&self, address: IpAddr) -> Option<(Duration, NameAnswer)> {
        let (delay, name, timed_out) = match self.outcomes.get(&address) {
            Some(NameOutcome::Named(name, delay)) => (*delay, Some(name.clone()), false),
            Some(NameOutcome::Nameless(delay)) => (*delay, None, false),
            Some(NameOutcome::TimesOut(delay)) => (*delay, None, true),
            Some(NameOutcome::Never) => return None,
            None => (Duration::ZERO, None, false),
        };
        Some((delay, NameAnswer { address, name, timed_out }))
    }
}
